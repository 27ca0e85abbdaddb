package session

import "github.com/authmw/authmw/internal/option"

// An Option changes a default of New, which reports invalid arguments. If an option is given twice, the last one wins.
type Option func(*config)

// config is what options write to.
type config struct {
	secondFactor SecondFactorFunc
	style        style
	observe      func(Event)

	errs option.Errors
}

// configure returns what options say.
func configure(options []Option) config {
	c := config{errs: option.ErrorsOf("session"), style: cloudreveStyle{}}
	option.Apply(&c, &c.errs, options)
	return c
}

// WithSecondFactor sets the function that checks the second step of a login. Without it, …/token/2fa does not exist, and a
// LoginFunc that asks for a second step makes a mistake, which is answered with status 500.
func WithSecondFactor(check SecondFactorFunc) Option {
	return func(c *config) {
		if check == nil {
			c.errs.Addf("the check of the second factor is nil")
		}
		c.secondFactor = check
	}
}

// WithPlainStyle answers as HTTP APIs do in place of as Cloudreve does: with status codes, bodies without an envelope,
// and errors as application/problem+json (RFC 9457), which is what package authmw answers by default. Its counterpart
// there is authmw.WithRenderer(authmw.CloudreveEnvelope).
func WithPlainStyle() Option {
	return func(c *config) { c.style = plainStyle{} }
}

// WithObserver sets a function that is called with every request for one of the actions, once it is decided, for logs and
// metrics. It must be safe for concurrent use, and the answer waits for it.
//
// Without an observer, the Handler logs to slog's default logger that it answers with status 500 or 503, at most once a
// minute, and nothing else. With an observer, it logs nothing.
func WithObserver(observe func(Event)) Option {
	return func(c *config) {
		if observe == nil {
			c.errs.Addf("the observer is nil")
		}
		c.observe = observe
	}
}
