package compact

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/internal/strictjson"
)

// TestAbsentAndEmptyScopes keeps a list of nothing apart from no list: a token with the former may do nothing.
func TestAbsentAndEmptyScopes(t *testing.T) {
	var claims Claims
	require.NoError(t, ParseClaims(`{}`, &claims))
	require.Nil(t, claims.Scopes)
	require.NoError(t, ParseClaims(`{"scopes":[]}`, &claims))
	require.NotNil(t, claims.Scopes)
	require.Empty(t, claims.Scopes)
	require.EqualError(t, ParseClaims(`{"scopes":null}`, &claims), "scopes: "+strictjson.ReasonNotStrings)
}

func TestClaimsAreReadWhole(t *testing.T) {
	var claims Claims
	const payload = `{"client_id":"c","scopes":["s"],"nbf":1.25,"exp":2,"sub":"u","token_type":"t"}`
	claims.Subject, claims.Segment = "left over", "left over"
	require.NoError(t, ParseClaims(payload, &claims))
	require.Equal(t, Claims{TokenType: "t", Subject: "u", ExpiresAt: time.Unix(2, 0).UTC(),
		NotBefore: time.Unix(2, 0).UTC(), Scopes: []string{"s"}, ClientID: "c"}, claims)
	require.NoError(t, ParseClaims(`{}`, &claims))
	require.Equal(t, Claims{}, claims, "nothing is left over")
}

// TestEachClaim gives every claim twice, and a value of every wrong type.
func TestEachClaim(t *testing.T) {
	right := map[string]string{"exp": "1", "nbf": "1", "iat": "1", "scopes": `["a"]`, "aud": `"a"`}
	for _, name := range claimNames {
		value := right[name]
		if value == "" {
			value = `"a"`
		}
		var claims Claims
		require.NoError(t, ParseClaims(`{"`+name+`":`+value+`}`, &claims), name)
		require.EqualError(t, ParseClaims(`{"`+name+`":`+value+`,"`+name+`":`+value+`}`, &claims), name+": "+strictjson.ReasonDuplicate)
		require.EqualError(t, ParseClaims(`{"`+strings.ToUpper(name)+`":`+value+`}`, &claims), strictjson.ReasonFolded)
		for _, wrong := range []string{"1", `"a"`, `["a"]`, "null", "true", "{}", "[1]", `["a",null]`} {
			absent := wrong == "null" && (name == "token_type" || name == "sub")
			if wrong != value && !absent && (name != "aud" || wrong != `["a"]`) {
				require.Error(t, ParseClaims(`{"`+name+`":`+wrong+`}`, &claims), "%s %s", name, wrong)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	claims := func(change func(*Claims)) *Claims {
		c := &Claims{TokenType: "access", Subject: "u", ExpiresAt: time.Unix(issuedAt+1, 0), NotBefore: time.Unix(issuedAt, 0)}
		change(c)
		return c
	}
	for _, row := range []struct {
		name   string
		change func(*Claims)
		err    string
	}{
		{"good", func(*Claims) {}, ""},
		{"longer type", func(c *Claims) { c.TokenType = "access2" }, `token_type: not the right type; it must be "access"`},
		{"refresh token", func(c *Claims) { c.TokenType = "refresh" }, `token_type is "refresh"; it must be "access"`},
		{"no type", func(c *Claims) { c.TokenType = "" }, `there is no token_type; it must be "access"`},
		{"no type and no exp", func(c *Claims) { *c = Claims{} }, `there is no token_type; it must be "access"`},
		{"no exp", func(c *Claims) { c.ExpiresAt = time.Time{} }, "there is no exp"},
		{"no sub", func(c *Claims) { c.Subject = "" }, "there is no sub"},
		{"sub of 255 bytes", func(c *Claims) { c.Subject = strings.Repeat("é", 127) + "e" }, ""},
		{"sub of 256 bytes in 128 characters", func(c *Claims) { c.Subject = strings.Repeat("é", 128) }, "sub: " + reasonLong},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := claims(row.change).Check(Expect{TokenType: "access", Now: at(issuedAt)})
			if row.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, row.err)
			}
		})
	}
}

func TestClaimLists(t *testing.T) {
	list := func(n int) string { return "[" + strings.Repeat(`"a",`, n-1) + `"a"]` }
	for _, row := range []struct{ name, payload, err string }{
		{"100 scopes", `{"scopes":` + list(100) + `}`, ""},
		{"101 scopes", `{"scopes":` + list(101) + `}`, "scopes: " + reasonScopes},
		{"101 audiences", `{"aud":` + list(101) + `}`, ""},
		{"audience that is no string", `{"aud":["a",1]}`, "aud: " + strictjson.ReasonNotStrings},
		{"arrays are not depth", `{"scopes":[],"aud":["a"],"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := ParseClaims(row.payload, new(Claims))
			if row.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, row.err)
			}
		})
	}
}

// TestKnownNames holds the names to what strictjson.FoldsTo asks for.
func TestKnownNames(t *testing.T) {
	for _, name := range append(claimNames, headerNames...) {
		require.LessOrEqual(t, len(name), 13)
		require.Equal(t, strings.ToLower(name), name)
	}
}
