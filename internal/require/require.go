// Package require has the assertions of the test suites that this module exports. Their users need no assertion library
// for them. A failed assertion ends the test, as with testify's package of the same name, whose functions these are like.
package require

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// fail ends the test with what was found, and what the caller says of it in message.
func fail(t testing.TB, message []any, format string, args ...any) {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	if len(message) > 0 {
		said := fmt.Sprint(message[0])
		if len(message) > 1 {
			said = fmt.Sprintf(said, message[1:]...)
		}
		text = said + ": " + text
	}
	t.Fatal(text)
}

// Equal fails unless got is deeply equal to want. Byte slices are compared by content.
func Equal(t testing.TB, want, got any, message ...any) {
	t.Helper()
	if w, ok := want.([]byte); ok {
		if g, ok := got.([]byte); ok && bytes.Equal(w, g) {
			return
		}
	}
	if !reflect.DeepEqual(want, got) {
		fail(t, message, "got %#v, want %#v", got, want)
	}
}

// Same fails unless got and want are the same pointer.
func Same(t testing.TB, want, got any, message ...any) {
	t.Helper()
	if want != got {
		fail(t, message, "got another pointer than the one that was expected")
	}
}

// True fails unless value is true.
func True(t testing.TB, value bool, message ...any) {
	t.Helper()
	if !value {
		fail(t, message, "got false, want true")
	}
}

// False fails unless value is false.
func False(t testing.TB, value bool, message ...any) {
	t.Helper()
	if value {
		fail(t, message, "got true, want false")
	}
}

// Nil fails unless value is nil, or a nil pointer, slice, map, function or channel.
func Nil(t testing.TB, value any, message ...any) {
	t.Helper()
	if !isNil(value) {
		fail(t, message, "got %#v, want nil", value)
	}
}

// NotNil fails if Nil does not.
func NotNil(t testing.TB, value any, message ...any) {
	t.Helper()
	if isNil(value) {
		fail(t, message, "got nil")
	}
}

func isNil(value any) bool {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Func, reflect.Chan, reflect.Interface:
		return v.IsNil()
	}
	return false
}

// Zero fails unless value is the zero value of its type.
func Zero(t testing.TB, value any, message ...any) {
	t.Helper()
	if v := reflect.ValueOf(value); v.IsValid() && !v.IsZero() {
		fail(t, message, "got %#v, want the zero value", value)
	}
}

// Len fails unless list, a slice, map or string, has n elements.
func Len(t testing.TB, list any, n int, message ...any) {
	t.Helper()
	if got := reflect.ValueOf(list).Len(); got != n {
		fail(t, message, "got %d elements, want %d: %#v", got, n, list)
	}
}

// Empty fails unless list, a slice, map or string, has no elements.
func Empty(t testing.TB, list any, message ...any) {
	t.Helper()
	Len(t, list, 0, message...)
}

// NotEmpty fails if list has no elements.
func NotEmpty(t testing.TB, list any, message ...any) {
	t.Helper()
	if reflect.ValueOf(list).Len() == 0 {
		fail(t, message, "got no elements")
	}
}

// Contains fails unless part is in text.
func Contains(t testing.TB, text, part string, message ...any) {
	t.Helper()
	if !strings.Contains(text, part) {
		fail(t, message, "%q does not contain %q", text, part)
	}
}

// JSONEq fails unless want and got are JSON of the same value.
func JSONEq(t testing.TB, want, got string, message ...any) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		fail(t, message, "want: %v in %q", err, want)
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		fail(t, message, "got: %v in %q", err, got)
	}
	if !reflect.DeepEqual(w, g) {
		fail(t, message, "got %s, want %s", got, want)
	}
}

// NoError fails unless err is nil.
func NoError(t testing.TB, err error, message ...any) {
	t.Helper()
	if err != nil {
		fail(t, message, "got the error %v", err)
	}
}

// Error fails if err is nil.
func Error(t testing.TB, err error, message ...any) {
	t.Helper()
	if err == nil {
		fail(t, message, "got no error")
	}
}

// ErrorIs fails unless err matches target, see [errors.Is].
func ErrorIs(t testing.TB, err, target error, message ...any) {
	t.Helper()
	if !errors.Is(err, target) {
		fail(t, message, "got the error %v, want %v", err, target)
	}
}

// NotErrorIs fails if err matches target.
func NotErrorIs(t testing.TB, err, target error, message ...any) {
	t.Helper()
	if errors.Is(err, target) {
		fail(t, message, "got the error %v, which matches %v", err, target)
	}
}

// ErrorAs fails unless err has the type that target points to, see [errors.As].
func ErrorAs(t testing.TB, err error, target any, message ...any) {
	t.Helper()
	if !errors.As(err, target) {
		fail(t, message, "got the error %v, want a %T", err, target)
	}
}
