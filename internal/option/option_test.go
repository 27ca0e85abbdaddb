package option

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestApply(t *testing.T) {
	type config struct {
		values []int
		errs   Errors
	}
	value := func(n int) func(*config) { return func(c *config) { c.values = append(c.values, n) } }
	c := config{errs: ErrorsOf("pkg")}
	Apply(&c, &c.errs, []func(*config){value(1), nil, value(2)})
	require.Equal(t, []int{1, 2}, c.values, "in their order")
	own := errors.New("own")
	c.errs.Add(own)
	c.errs.Addf("n is %d", 3)
	require.EqualError(t, c.errs.Err(), "pkg: an option is nil\nown\npkg: n is 3")
	require.ErrorIs(t, c.errs.Err(), own)
	none := ErrorsOf("pkg")
	require.NoError(t, none.Err())
}
