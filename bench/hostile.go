package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/hostile"
)

// maxToken is the length of the longest token that a Validator reads, and maxHeader of the longest header.
const (
	maxToken  = 8 << 10
	maxHeader = 1 << 10
)

// measureHostile measures tokens that are expensive to read, beside a valid one of 175 bytes, with a key and with an
// introspector. With a key, anyone can send the headers, and only its owner the payloads.
func measureHostile(rounds int) []table {
	withKey := newValidator()
	withIntrospector := must(authmw.NewFromIntrospector(ofLength(len(mint(secret, nil)))))

	var headers, signed, unsigned []benchmark
	for _, header := range hostile.Payloads(maxHeader / 4 * 3) {
		headers = append(headers, hostileBenchmark(header, withKey, func(json string) string {
			return segment(json) + "." + segment(`{"sub":"wGH0"}`) + "." + strings.Repeat("A", 43)
		}))
	}
	for _, payload := range hostile.Payloads((maxToken - 36 - 1 - 1 - 43) / 4 * 3) {
		input := func(json string) string { return segment(`{"alg":"HS256","typ":"JWT"}`) + "." + segment(json) }
		signed = append(signed, hostileBenchmark(payload, withKey, func(json string) string {
			mac := must(jwt.SigningMethodHS256.Sign(input(json), secret))
			return input(json) + "." + base64.RawURLEncoding.EncodeToString(mac)
		}))
		unsigned = append(unsigned, hostileBenchmark(payload, withIntrospector, func(json string) string {
			return input(json) + "." + strings.Repeat("A", 43)
		}))
	}
	measured := func(title string, v *authmw.Validator, benchmarks []benchmark) table {
		valid := benchmark{name: "a valid token of 175 bytes", run: repeat(check(v, "Bearer "+mint(secret, nil)))}
		t := measure(title, 0, "", rounds, append([]benchmark{valid}, benchmarks...))
		worst := t.rows[0]
		for _, r := range t.rows {
			if r.ns > worst.ns {
				worst = r
			}
		}
		t.note = fmt.Sprintf("The worst, %s, costs %.0f times a valid token.", worst.name, t.ratio(worst))
		return t
	}
	return []table{
		measured("Hostile headers of 1 KiB, with a key", withKey, headers),
		measured("Hostile payloads of 8 KiB with a valid signature, with a key", withKey, signed),
		measured("Hostile payloads of 8 KiB, with an introspector", withIntrospector, unsigned),
	}
}

// ofLength is an introspector that accepts tokens of one length and costs nothing.
type ofLength int

func (n ofLength) Introspect(_ context.Context, token string, _ *authmw.Claims) error {
	if len(token) != int(n) {
		return authmw.ErrInvalidSignature
	}
	return nil
}

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// hostileBenchmark checks tokens made of a payload and the others of its kind in turn.
func hostileBenchmark(payload hostile.Payload, v *authmw.Validator, token func(json string) string) benchmark {
	var checks []func() error
	for _, json := range append([]string{payload.JSON}, payload.Others...) {
		token := token(json)
		if len(token) > maxToken {
			panic(fmt.Sprintf("%s: %d bytes", payload.Name, len(token)))
		}
		checks = append(checks, check(v, "Bearer "+token))
	}
	return benchmark{name: payload.Name, run: func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			_ = checks[n%len(checks)]() // most are refused, some for a limit and some for their signature
		}
	}}
}
