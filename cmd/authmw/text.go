package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

const maxNumericDate = 253402300799 // the end of the year 9999

// relative says how far t is from now, in words.
func relative(t, now time.Time) string {
	d := t.Sub(now).Round(time.Second)
	if d < 0 {
		return human(-d) + " ago"
	}
	return "in " + human(d)
}

// human writes a duration with days where there are many hours.
func human(d time.Duration) string {
	const day = 24 * time.Hour
	if d < 2*day {
		return d.String()
	}
	d = d.Round(time.Minute)
	days := fmt.Sprintf("%d days", d/day)
	if rest := d % day; rest > 0 {
		days += " " + strings.TrimSuffix(rest.String(), "0s")
	}
	return days
}

// printable returns text with the escapes of JSON for what could move the cursor or hide something on a terminal.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, "\\u%04x", unit)
		}
	}
	return b.String()
}

const timeFormat = "2006-01-02 15:04:05 MST"
