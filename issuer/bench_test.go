package issuer_test

import (
	"context"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/issuer"
)

// BenchmarkIssue compares issuing a pair with what it cannot do without: that golang-jwt signs two tokens of the same
// claims.
//
//	go test -run '^$' -bench Issue -count 5 ./issuer
func BenchmarkIssue(b *testing.B) {
	type claims struct {
		TokenType string `json:"token_type"`
		jwt.RegisteredClaims
		StateHash   []byte `json:"state_hash,omitempty"`
		RootTokenID string `json:"root_token_id,omitempty"`
	}
	state := issuer.CloudreveStateHash("admin@example.com", "password", "site")
	b.Run("golang-jwt signs two tokens", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			now := time.Now()
			access := claims{TokenType: "access", RegisteredClaims: jwt.RegisteredClaims{Subject: "wGH0",
				ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)), NotBefore: jwt.NewNumericDate(now)}}
			refresh := access
			refresh.TokenType, refresh.StateHash, refresh.RootTokenID = "refresh", state, "d2ceee9a-9a54-4be7-bf92-904c7d17d80a"
			for _, c := range []claims{access, refresh} {
				if _, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(authmwtest.Secret)); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	options := []issuer.Option{issuer.WithStateHash(func(context.Context, issuer.Grant) ([]byte, error) { return state, nil })}
	compatible, err := issuer.NewCloudreveCompatible([]byte(authmwtest.Secret), issuer.NewMemoryStore(), options...)
	if err != nil {
		b.Fatal(err)
	}
	rotating, err := issuer.New([]byte(authmwtest.Secret), discard{}, options...)
	if err != nil {
		b.Fatal(err)
	}
	for name, i := range map[string]*issuer.Issuer{"compatible": compatible, "rotating": rotating} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := i.Issue(b.Context(), issuer.Grant{Subject: "wGH0"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// discard is a store that takes no time.
type discard struct{ issuer.Store }

func (discard) Create(context.Context, issuer.Family) (int, error) { return 0, nil }

// BenchmarkRefresh includes verifying the token and a store in memory.
func BenchmarkRefresh(b *testing.B) {
	i, err := issuer.New([]byte(authmwtest.Secret), issuer.NewMemoryStore())
	if err != nil {
		b.Fatal(err)
	}
	pair, err := i.Issue(b.Context(), issuer.Grant{Subject: "wGH0"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if pair, err = i.Refresh(b.Context(), pair.RefreshToken); err != nil {
			b.Fatal(err)
		}
	}
}
