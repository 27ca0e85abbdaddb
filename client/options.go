package client

import (
	"net/http"

	"github.com/authmw/authmw/internal/option"
)

// An Option changes a default of New, which reports invalid arguments. If an option is given twice, the last one wins.
type Option func(*config)

// config is what options write to.
type config struct {
	transport http.RoundTripper
	notify    func(error)

	errs option.Errors
}

// configure returns what options say.
func configure(options []Option) config {
	c := config{errs: option.ErrorsOf("client"), transport: http.DefaultTransport, notify: func(error) {}}
	option.Apply(&c, &c.errs, options)
	return c
}

// WithTransport sets what requests are sent by, those of Transport included, which is http.DefaultTransport unless set.
func WithTransport(transport http.RoundTripper) Option {
	return func(c *config) {
		if transport == nil {
			c.errs.Addf("the transport is nil")
		}
		c.transport = transport
	}
}

// WithLoginRequired sets a function that is called once when the Client finds that a login is required, to guide the user. The
// error matches ErrLoginRequired and says why. The function must be safe for concurrent use. It is called from a goroutine of
// its own, which nobody waits for.
func WithLoginRequired(notify func(err error)) Option {
	return func(c *config) {
		if notify == nil {
			c.errs.Addf("the function for a login that is required is nil")
		}
		c.notify = notify
	}
}
