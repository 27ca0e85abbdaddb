package authmw_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
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
		{"no client, but scopes", "", []string{"profile"}, "Files.Write", true},
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

func TestNilClaims(t *testing.T) {
	var claims *authmw.Claims
	require.False(t, claims.HasScope("Files.Read"))
	require.Equal(t, "anonymous", claims.LogValue().String())
}

func TestScopesOfARoute(t *testing.T) {
	v := newValidator(t)
	client := bearer(sign(usualHeader, payload(t, `"sub"`, `"client_id":"c","scopes":["Files.Write","openid"],"sub"`)))
	for _, mode := range []authmw.Mode{authmw.Required, authmw.Optional} {
		claims, err := v.Check(newRequest(client...), mode, "Files.Read", "openid")
		require.NoError(t, err)
		require.Equal(t, []string{"Files.Write", "openid"}, claims.Scopes)

		scopes := []string{"Files.Read", "Shares.Read", "bad scope", "Büro", `"`, ""}
		claims, err = v.Check(newRequest(client...), mode, scopes...)
		requireOutcome(t, authmw.ErrInsufficientScope, claims, err)
		var denied *authmw.Error
		require.ErrorAs(t, err, &denied)
		require.Equal(t, []string{"Files.Read", "Shares.Read"}, denied.Scopes(), "only what may stand in a challenge")
		require.Contains(t, denied.Challenge("api"), `, scope="Files.Read Shares.Read"`)
		require.Equal(t, []string{"Files.Read", "Shares.Read", "bad scope", "Büro", `"`, ""}, scopes, "the route's own are left alone")
		code, msg := denied.CloudreveCode()
		require.Equal(t, 40089, code)
		require.Equal(t, "Insufficient scope: Shares.Read", msg)
	}
	_, err := v.Check(newRequest(client...), authmw.Required, "bad scope")
	var denied *authmw.Error
	require.ErrorAs(t, err, &denied)
	require.NotContains(t, denied.Challenge("api"), "scope=")

	claims, err := v.Check(newRequest(), authmw.Optional, "Files.Read")
	require.NoError(t, err, "scopes bind nobody who is anonymous")
	require.Nil(t, claims)
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
	capture := readCapture(t)
	for _, issued := range capture.Tokens {
		if issued.TokenType != authmw.AccessToken {
			continue
		}
		t.Run(issued.Name, func(t *testing.T) {
			claims := &authmw.Claims{
				TokenType: issued.TokenType, Subject: issued.Sub, Scopes: issued.Scopes, ClientID: issued.ClientID,
				ExpiresAt: time.Unix(issued.Exp, 999), NotBefore: time.Unix(issued.Nbf, 999),
			}
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(capture.SecretKey))
			require.NoError(t, err)
			require.Equal(t, issued.Token, token)

			var parsed authmw.Claims
			_, err = jwt.ParseWithClaims(token, &parsed, func(*jwt.Token) (any, error) { return []byte(capture.SecretKey), nil },
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

	claims := authmw.Claims{Subject: "before"}
	for _, bad := range []string{`null`, `[]`, `{"exp":"1"}`, `{"sub":"a","sub":"b"}`, `{"Sub":"a"}`} {
		require.ErrorIs(t, json.Unmarshal([]byte(bad), &claims), authmw.ErrInvalidClaims)
		require.Equal(t, authmw.Claims{Subject: "before"}, claims, "left as it was")
	}
}
