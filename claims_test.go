package authmw_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/capture"
)

var _ jwt.Claims = (*authmw.Claims)(nil)

func TestHasScope(t *testing.T) {
	for _, row := range []struct {
		name   string
		client string
		scopes []string
		scope  string
		has    bool
	}{
		{"no client", "", nil, "Files.Write", true},
		{"no client, but scopes", "", []string{"profile"}, "Files.Write", false},
		{"no client, but the scope", "", []string{"Files.Write"}, "Files.Write", true},
		{"no client, but an empty list of scopes", "", []string{}, "Files.Read", false},
		{"an empty list of scopes", "client", []string{}, "Files.Read", false},
		{"no scopes", "client", nil, "Files.Read", false},
		{"the scope", "client", []string{"profile", "Files.Read"}, "Files.Read", true},
		{"Write for Read", "client", []string{"Files.Write"}, "Files.Read", true},
		{"Read for Write", "client", []string{"Files.Read"}, "Files.Write", false},
		{"Write of another", "client", []string{"Shares.Write"}, "Files.Read", false},
		{"other letter case", "client", []string{"files.read"}, "Files.Read", false},
		{"prefix", "client", []string{"Files"}, "Files.Read", false},
		{"scope without a dot", "client", []string{"openid"}, "openid", true},
		{"bare .Write for bare .Read", "client", []string{".Write"}, ".Read", true},
		{"Write for another suffix", "client", []string{"Files.Write"}, "Files", false},
		{"empty scope", "client", []string{"Files.Read"}, "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			claims := authmw.Claims{ClientID: row.client, Scopes: row.scopes}
			require.Equal(t, row.has, claims.HasScope(row.scope))
		})
	}
}

// TestTokenWithScopesButNoClient has a token as Cloudreve 4.12.0 to 4.16.0 issued to OAuth clients (CVE-2026-54560), with a
// key and with an introspector, and what becomes of its claims on the way.
func TestTokenWithScopesButNoClient(t *testing.T) {
	introspected, err := authmw.NewFromIntrospector(introspectorFunc(func(_ context.Context, _ string, claims *authmw.Claims) error {
		require.False(t, claims.HasScope("Admin.Write"))
		return nil
	}), authmw.WithClock(clock))
	require.NoError(t, err)
	for name, v := range map[string]*authmw.Validator{"key": newValidator(t), "introspector": introspected} {
		for scopes, granted := range map[string][]string{`["Files.Read"]`: {"Files.Read"}, `[]`: {}} {
			t.Run(name+" "+scopes, func(t *testing.T) {
				token := sign(usualHeader, payload(t, `"sub"`, `"scopes":`+scopes+`,"sub"`))
				_, err := v.Check(newRequest("Bearer "+token), authmw.Required, "Files.Write", "Admin.Write")
				require.ErrorIs(t, err, authmw.ErrInsufficientScope)
				_, err = v.Check(newRequest("Bearer "+token), authmw.Optional, "Files.Write", "Admin.Write")
				require.ErrorIs(t, err, authmw.ErrInsufficientScope)

				claims, err := v.Check(newRequest("Bearer "+token), authmw.Required)
				require.NoError(t, err)
				require.Equal(t, granted, claims.Scopes, "nil and empty are kept apart")
				encoded, err := json.Marshal(claims)
				require.NoError(t, err)
				require.Contains(t, string(encoded), `"scopes":`+scopes)
				var again authmw.Claims
				require.NoError(t, json.Unmarshal(encoded, &again))
				require.False(t, again.HasScope("Admin.Write"))

				claims.Scopes = nil // as a check may that takes scopes away
				require.False(t, claims.HasScope("Admin.Write"))
				encoded, err = json.Marshal(claims)
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal(encoded, &again))
				require.False(t, again.HasScope("Admin.Write"))
			})
		}
	}
}

func TestNilClaims(t *testing.T) {
	var claims *authmw.Claims
	require.False(t, claims.HasScope("Files.Read"))
	require.Equal(t, "anonymous", claims.LogValue().String())
}

func TestDecode(t *testing.T) {
	v := newValidator(t)
	claims, err := v.Verify(t.Context(), sign(usualHeader, payload(t, `"sub"`, `"role":"admin","iss":"i","aud":"a","iat":5,"sub"`)))
	require.NoError(t, err)
	var own struct{ Role, Sub string }
	require.NoError(t, claims.Decode(&own))
	require.Equal(t, "admin", own.Role)
	require.Equal(t, "wGH0", own.Sub)
	require.Error(t, claims.Decode(new(int)))

	issuer, err := claims.GetIssuer()
	require.NoError(t, err)
	require.Equal(t, "i", issuer)
	audience, err := claims.GetAudience()
	require.NoError(t, err)
	require.Equal(t, jwt.ClaimStrings{"a"}, audience)
	issuedAt, err := claims.GetIssuedAt()
	require.NoError(t, err)
	require.EqualValues(t, 5, issuedAt.Unix())

	claims = &authmw.Claims{Subject: "ogUy"}
	require.NoError(t, claims.Decode(&own))
	require.Equal(t, "ogUy", own.Sub, "claims that come from no token have their own JSON")
}

// TestClaimsJSON signs a real token's claims anew with golang-jwt and gets the same token.
func TestClaimsJSON(t *testing.T) {
	captured := capture.Read(t)
	for _, issued := range captured.Tokens {
		if issued.TokenType != authmw.AccessToken {
			continue
		}
		t.Run(issued.Name, func(t *testing.T) {
			claims := &authmw.Claims{
				TokenType: issued.TokenType, Subject: issued.Sub, Scopes: issued.Scopes, ClientID: issued.ClientID,
				ExpiresAt: time.Unix(issued.Exp, 999), NotBefore: time.Unix(issued.Nbf, 999),
			}
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(captured.SecretKey))
			require.NoError(t, err)
			require.Equal(t, issued.Token, token)

			var parsed authmw.Claims
			_, err = jwt.ParseWithClaims(token, &parsed, func(*jwt.Token) (any, error) { return []byte(captured.SecretKey), nil },
				jwt.WithTimeFunc(func() time.Time { return time.Unix(issued.Nbf, 0) }))
			require.NoError(t, err)
			require.Equal(t, issued.Sub, parsed.Subject)
			require.Equal(t, issued.ClientID, parsed.ClientID)
			require.Equal(t, issued.Exp, parsed.ExpiresAt.Unix())
		})
	}

	short, err := json.Marshal(authmw.Claims{TokenType: "access", Subject: "wGH0"})
	require.NoError(t, err)
	require.JSONEq(t, `{"token_type":"access","sub":"wGH0"}`, string(short))

	var kept authmw.Claims
	require.NoError(t, json.Unmarshal([]byte(`{"sub":"wGH0","team":"blue"}`), &kept))
	var own struct{ Team string }
	require.NoError(t, kept.Decode(&own))
	require.Equal(t, "blue", own.Team, "Decode has the members that Claims has no field for")

	claims := authmw.Claims{Subject: "before"}
	for _, bad := range []string{`null`, `[]`, `{"exp":"1"}`, `{"sub":"a","sub":"b"}`, `{"Sub":"a"}`} {
		require.ErrorIs(t, json.Unmarshal([]byte(bad), &claims), authmw.ErrInvalidClaims)
		require.Equal(t, authmw.Claims{Subject: "before"}, claims, "left as it was")
	}
}
