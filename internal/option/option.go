// Package option is how the packages of this module are configured: options write into a plain config, and New reports
// everything that is wrong at once.
package option

import (
	"errors"
	"fmt"
)

// Errors collects what is wrong with the arguments of a New, for the package that it is named after.
type Errors struct {
	name string
	errs []error
}

// ErrorsOf returns an empty Errors of a package.
func ErrorsOf(name string) Errors { return Errors{name: name} }

// Add adds an error as it is.
func (e *Errors) Add(err error) { e.errs = append(e.errs, err) }

// Addf adds an error with the name of the package before it.
func (e *Errors) Addf(format string, args ...any) {
	e.Add(fmt.Errorf(e.name+": "+format, args...))
}

// Err returns all errors as one, or nil if there are none.
func (e *Errors) Err() error { return errors.Join(e.errs...) }

// Apply applies options to a config in their order. A nil option is an error.
func Apply[Config any, Option ~func(*Config)](c *Config, errs *Errors, options []Option) {
	for _, option := range options {
		if option == nil {
			errs.Addf("an option is nil")
			continue
		}
		option(c)
	}
}
