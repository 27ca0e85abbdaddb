package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	kataras "github.com/kataras/jwt"
	"github.com/lestrrat-go/jwx/v3/jwa"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/authmw/authmw"
)

// secret has the length of Cloudreve's.
var secret = []byte(strings.Repeat("a secret for benchmarks and nothing else", 7)[:256])

// mint returns an access token that is valid for an hour from now. extra are further claims.
func mint(secret []byte, extra jwt.MapClaims) string {
	now := time.Now()
	claims := &authmw.Claims{TokenType: authmw.AccessToken, Subject: "wGH0", NotBefore: now, ExpiresAt: now.Add(time.Hour)}
	var signed jwt.Claims = claims
	if extra != nil {
		extra["token_type"], extra["sub"], extra["nbf"], extra["exp"] = "access", "wGH0", now.Unix(), now.Add(time.Hour).Unix()
		signed = extra
	}
	return sign(secret, signed)
}

func sign(secret []byte, claims jwt.Claims) string {
	return must(jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret))
}

// cloudreveClaims is what users of the other libraries declare.
type cloudreveClaims struct {
	TokenType string   `json:"token_type"`
	Scopes    []string `json:"scopes,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	jwt.RegisteredClaims
}

var errClaims = errors.New("token_type or sub")

func checkClaims(tokenType, subject string) error {
	if tokenType != "access" || subject == "" {
		return errClaims
	}
	return nil
}

func golangJWTKey(*jwt.Token) (any, error) { return secret, nil }

// floor computes the MAC of the token and nothing else: no verifier can be faster.
func floor(token string) func() error {
	mac := hmac.New(sha256.New, secret)
	input := []byte(token[:strings.LastIndexByte(token, '.')])
	var sum [sha256.Size]byte
	return func() error {
		mac.Reset()
		mac.Write(input)
		mac.Sum(sum[:0])
		return nil
	}
}

func newValidator(options ...authmw.Option) *authmw.Validator {
	return must(authmw.New(secret, options...))
}

func verifyWith(v *authmw.Validator, token string) func() error {
	ctx := context.Background()
	return func() error {
		_, err := v.Verify(ctx, token)
		return err
	}
}

// verifiers check one token: signature, exp, nbf, token_type and sub.
func verifiers(token string) []benchmark {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	return []benchmark{
		{name: "floor: the MAC alone", run: repeat(floor(token))},
		{name: "authmw", run: repeat(verifyWith(newValidator(), token))},
		{name: "golang-jwt", run: repeat(func() error {
			var claims cloudreveClaims
			if _, err := parser.ParseWithClaims(token, &claims, golangJWTKey); err != nil {
				return err
			}
			return checkClaims(claims.TokenType, claims.Subject)
		})},
		{name: "kataras/jwt", run: repeat(func() error {
			verified, err := kataras.Verify(kataras.HS256, secret, []byte(token))
			if err != nil {
				return err
			}
			var claims struct {
				TokenType string `json:"token_type"`
			}
			if err := verified.Claims(&claims); err != nil {
				return err
			}
			return checkClaims(claims.TokenType, verified.StandardClaims.Subject)
		})},
		{name: "go-jose", run: repeat(func() error {
			parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
			if err != nil {
				return err
			}
			var registered josejwt.Claims
			var claims struct {
				TokenType string `json:"token_type"`
			}
			if err := parsed.Claims(secret, &registered, &claims); err != nil {
				return err
			}
			if err := registered.ValidateWithLeeway(josejwt.Expected{Time: time.Now()}, 0); err != nil {
				return err
			}
			return checkClaims(claims.TokenType, registered.Subject)
		})},
		{name: "jwx", run: repeat(func() error {
			parsed, err := jwxjwt.Parse([]byte(token), jwxjwt.WithKey(jwa.HS256(), secret), jwxjwt.WithValidate(true))
			if err != nil {
				return err
			}
			var tokenType string
			if err := parsed.Get("token_type", &tokenType); err != nil {
				return err
			}
			subject, _ := parsed.Subject()
			return checkClaims(tokenType, subject)
		})},
	}
}

// repeat makes a benchmark of f, which must not fail.
func repeat(f func() error) func(*testing.B) {
	return func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// refused makes a benchmark of f, which must fail.
func refused(f func() error) func(*testing.B) {
	return repeat(func() error {
		if f() == nil {
			return errors.New("accepted")
		}
		return nil
	})
}
