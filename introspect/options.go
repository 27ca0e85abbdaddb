package introspect

import (
	"net/http"
	"time"

	"github.com/authmw/authmw/internal/option"
)

// MaxCacheTTL is the default of WithCacheTTL and its upper limit.
const MaxCacheTTL = 30 * time.Second

// An Option changes a default of New, which reports invalid arguments. If an option is given twice, the last one wins.
type Option func(*config)

// config is what options write to.
type config struct {
	cacheTTL  time.Duration
	transport http.RoundTripper

	errs option.Errors
}

// configure returns what options say.
func configure(options []Option) config {
	c := config{errs: option.ErrorsOf("introspect"), cacheTTL: MaxCacheTTL, transport: defaultTransport()}
	option.Apply(&c, &c.errs, options)
	return c
}

// WithCacheTTL sets for how long a token that the site accepted is accepted without asking again, MaxCacheTTL unless set.
// With 0, the site is asked every time. A ban is noticed after that time, and so is a new master key.
func WithCacheTTL(ttl time.Duration) Option {
	return func(c *config) {
		if ttl < 0 || ttl > MaxCacheTTL {
			c.errs.Addf("a cache TTL of %v is not between 0 and %v", ttl, MaxCacheTTL)
		}
		c.cacheTTL = ttl
	}
}

// WithTransport sets what requests are sent by. By default it is a copy of http.DefaultTransport that keeps as many
// connections as there are turns. If a question times out, the idle connections of the transport are closed.
func WithTransport(transport http.RoundTripper) Option {
	return func(c *config) {
		if transport == nil {
			c.errs.Addf("the transport is nil")
		}
		c.transport = transport
	}
}

func defaultTransport() http.RoundTripper {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok { // the application has another
		return http.DefaultTransport
	}
	transport = transport.Clone()
	transport.MaxIdleConnsPerHost = turns[known]
	return transport
}
