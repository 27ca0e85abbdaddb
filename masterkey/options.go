package masterkey

import (
	"log/slog"
	"time"

	"github.com/authmw/authmw/internal/option"
)

// What Open starts from.
const (
	DefaultInterval     = 30 * time.Second
	DefaultPreviousTTL  = time.Hour // what Cloudreve's access tokens live
	DefaultStaleIfError = time.Hour
)

// An Option changes a default of Open, which reports invalid arguments. If an option is given twice, the last one wins.
type Option func(*config)

// config is what options write to.
type config struct {
	interval     time.Duration
	previousTTL  time.Duration
	staleIfError time.Duration
	log          *slog.Logger

	errs option.Errors
}

// configure returns what options say.
func configure(options []Option) config {
	c := config{errs: option.ErrorsOf("masterkey"),
		interval: DefaultInterval, previousTTL: DefaultPreviousTTL, staleIfError: DefaultStaleIfError, log: slog.Default(),
	}
	option.Apply(&c, &c.errs, options)
	return c
}

func (c *config) duration(d *time.Duration, name string, value, lowest time.Duration) {
	if value < lowest || value > 30*24*time.Hour {
		c.errs.Addf("%s of %v is not between %v and 30 days", name, value, lowest)
	}
	*d = value
}

// WithInterval sets how often the key is read again, a second or more, DefaultInterval unless set. The actual interval is
// up to a tenth longer, so that servers that were started together do not all read at once. A reading that fails is tried
// again after five seconds.
//
// A token whose signature does not fit has the key read at once, but not more often than every two seconds. While forged
// tokens keep coming, the first tokens of a new key may be refused for as long, and for the time of one reading.
func WithInterval(interval time.Duration) Option {
	return func(c *config) { c.duration(&c.interval, "an interval", interval, time.Second) }
}

// WithPreviousTTL sets for how long after a new key was seen tokens of the previous one are accepted, DefaultPreviousTTL
// unless set; 0 for not at all, as is right for a key that others may know. Cloudreve itself signs with the previous key
// until it is restarted. Restart it at once: whatever it still issues with that key is refused when this time is over,
// which by default is as long as an access token lives.
func WithPreviousTTL(d time.Duration) Option {
	return func(c *config) { c.duration(&c.previousTTL, "a TTL of the previous key", d, 0) }
}

// WithStaleIfError sets for how long the last key that was read is used while none can be read (compare RFC 5861, section
// 4), DefaultStaleIfError unless set; 0 for not at all. After that, requests with a token are denied with
// authmw.ErrUnavailable until one can be read again.
func WithStaleIfError(d time.Duration) Option {
	return func(c *config) { c.duration(&c.staleIfError, "a time for a stale key", d, 0) }
}

// WithLogger sets where it is said that the key changed, that it cannot be read and can be again, and what a Key warns of;
// slog.Default unless set.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) {
		if logger == nil {
			c.errs.Addf("the logger is nil")
		}
		c.log = logger
	}
}
