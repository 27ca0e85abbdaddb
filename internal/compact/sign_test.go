package compact

import (
	"encoding/base64"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/internal/capture"
)

// signedClaims is how Cloudreve declares what it signs with golang-jwt. jti is package issuer's.
type signedClaims struct {
	TokenType string `json:"token_type"`
	jwt.RegisteredClaims
	StateHash   []byte   `json:"state_hash,omitempty"`
	RootTokenID string   `json:"root_token_id,omitempty"`
	Scopes      []string `json:"scopes,omitzero"`
	ClientID    string   `json:"client_id,omitempty"`
}

// oracleSign is golang-jwt.
func oracleSign(t *testing.T, c *Claims) string {
	claims := signedClaims{TokenType: c.TokenType, Scopes: c.Scopes, ClientID: c.ClientID}
	claims.Subject = c.Subject
	if !c.ExpiresAt.IsZero() {
		claims.ExpiresAt = jwt.NewNumericDate(c.ExpiresAt)
	}
	if !c.NotBefore.IsZero() {
		claims.NotBefore = jwt.NewNumericDate(c.NotBefore)
	}
	if c.Refresh != nil {
		state, err := base64.StdEncoding.DecodeString(c.Refresh.StateHash)
		require.NoError(t, err)
		claims.ID, claims.StateHash, claims.RootTokenID = c.Refresh.ID, state, c.Refresh.RootTokenID
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	require.NoError(t, err)
	return token
}

// TestSignCloudreveTokens signs again what a real Cloudreve signed.
func TestSignCloudreveTokens(t *testing.T) {
	captured := capture.Read(t)
	v, s := NewVerifier([]byte(captured.SecretKey)), NewSigner([]byte(captured.SecretKey))
	for _, token := range captured.Tokens {
		claims := Claims{Refresh: new(Refresh)}
		require.NoError(t, v.Verify(token.Token, Expect{TokenType: token.TokenType, Now: at(token.Nbf)}, &claims), token.Name)
		require.Equal(t, token.TokenType == "refresh", claims.Refresh.RootTokenID != "", token.Name)
		require.Equal(t, token.Token, s.Sign(&claims), token.Name)
	}
}

func TestSign(t *testing.T) {
	noon := time.Unix(issuedAt, 999_999_999)
	for name, c := range map[string]*Claims{
		"nothing":           {},
		"an access token":   {TokenType: "access", Subject: "wGH0", ExpiresAt: noon.Add(time.Hour), NotBefore: noon},
		"a refresh token":   {TokenType: "refresh", Subject: "wGH0", ExpiresAt: noon, NotBefore: noon, Refresh: &Refresh{"id", "AAECAw==", "root"}},
		"an empty Refresh":  {TokenType: "refresh", Refresh: new(Refresh)},
		"no scope":          {Scopes: []string{}},
		"an empty scope":    {Scopes: []string{""}},
		"scopes":            {Scopes: []string{"Files.Read", "openid"}, ClientID: "desktop"},
		"markup":            {Subject: `<a href="x">&amp;</a>`, ClientID: "'"},
		"escapes":           {Subject: "\\ \" / \b \f \n \r \t \x00 \x1f \x7f \u0080", Scopes: []string{"\u2028", "\u2029"}},
		"other alphabets":   {Subject: "用户é😀", ClientID: "Δ"},
		"bad UTF-8":         {Subject: "a\xff\xc0b", Scopes: []string{"\xed\xa0\x80"}},
		"1970":              {ExpiresAt: time.Unix(0, 1), NotBefore: time.Unix(-1, 1)},
		"before 1970":       {ExpiresAt: time.Unix(-5, 500_000_000), NotBefore: time.Unix(-1795430989, 0)},
		"the year 9999":     {ExpiresAt: time.Unix(253402300799, 0)},
		"another time zone": {ExpiresAt: noon.In(time.FixedZone("", 5*3600+1))},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, oracleSign(t, c), NewSigner([]byte(testSecret)).Sign(c))
		})
	}
}

// TestSignEveryCharacter has each alone, since one that is escaped hides others.
func TestSignEveryCharacter(t *testing.T) {
	s := NewSigner([]byte(testSecret))
	for c := range rune(0x2100) {
		claims := &Claims{Subject: string(c)}
		require.Equal(t, oracleSign(t, claims), s.Sign(claims), "%U", c)
	}
}

// TestRefreshClaimsAreReset reads a token after one that had more.
func TestRefreshClaimsAreReset(t *testing.T) {
	s, v := NewSigner([]byte(testSecret)), NewVerifier([]byte(testSecret))
	claims := Claims{Refresh: new(Refresh)}
	full := &Claims{TokenType: "access", Subject: "a", ExpiresAt: time.Unix(issuedAt+1, 0), Refresh: &Refresh{"id", "AAAA", "root"}}
	bare := &Claims{TokenType: "access", Subject: "a", ExpiresAt: time.Unix(issuedAt+1, 0)}
	issued := &Claims{TokenType: "access", Subject: "a", ExpiresAt: time.Unix(issuedAt+1, 0), NotBefore: time.Unix(issuedAt, 0)}
	for _, next := range []*Claims{bare, issued} {
		for _, c := range []*Claims{full, next} {
			require.NoError(t, v.Verify(s.Sign(c), Expect{TokenType: "access", Now: at(issuedAt)}, &claims))
		}
		require.Zero(t, *claims.Refresh)
	}
}

// TestSignerIsReused has a long token before a short one.
func TestSignerIsReused(t *testing.T) {
	s := NewSigner([]byte(testSecret))
	for _, c := range []*Claims{{Subject: "a subject of some length", Scopes: []string{"Files.Read"}, Refresh: &Refresh{"id", "", "root"}}, {Subject: "a"}} {
		require.Equal(t, oracleSign(t, c), s.Sign(c))
	}
}

// FuzzSign compares with golang-jwt, and reads what was signed.
func FuzzSign(f *testing.F) {
	f.Add("access", "wGH0", int64(issuedAt), int64(issuedAt), false, "", []byte(nil), "", true, "Files.Read", "openid", "desktop")
	f.Add("refresh", "<&>", int64(0), int64(-1), true, "id", []byte("state"), "d2ceee9a-9a54-4be7-bf92-904c7d17d80a", false, "", "", "\u2028")
	f.Add("", "\x00\xff\"\\", int64(253402300799), int64(1), true, "", []byte{}, "", true, "", "", "")
	f.Add("0", "0", int64(issuedAt+93), int64(issuedAt), true, "0", []byte("0"), "0", true, "\xd5", "\xa6", "0") // valid if joined
	f.Fuzz(func(t *testing.T, tokenType, subject string, exp, nbf int64, refresh bool, id string, state []byte, root string, scopes bool, first, second, client string) {
		c := &Claims{TokenType: tokenType, Subject: subject, ExpiresAt: time.Unix(exp%1e11, 0), NotBefore: time.Unix(nbf%1e11, 0), ClientID: client}
		if scopes {
			c.Scopes = []string{first, second}
		}
		if refresh {
			c.Refresh = &Refresh{ID: id, StateHash: base64.StdEncoding.EncodeToString(state), RootTokenID: root}
		}
		token := NewSigner([]byte(testSecret)).Sign(c)
		require.Equal(t, oracleSign(t, c), token)

		read := Claims{Refresh: new(Refresh)}
		err := NewVerifier([]byte(testSecret)).Verify(token, Expect{TokenType: tokenType, Now: func() time.Time { return c.NotBefore }}, &read)
		valid := utf8.ValidString(id) && utf8.ValidString(root) && utf8.ValidString(first) && utf8.ValidString(second)
		if err == nil && valid {
			require.Equal(t, c.Scopes, read.Scopes)
			if refresh {
				require.Equal(t, *c.Refresh, *read.Refresh)
			}
		}
	})
}

// TestSignAllocates once: the token.
func TestSignAllocates(t *testing.T) {
	s := NewSigner([]byte(testSecret))
	c := &Claims{TokenType: "refresh", Subject: "wGH0", ExpiresAt: time.Unix(issuedAt, 0), Scopes: []string{"openid"}, Refresh: &Refresh{"id", "AAAA", "root"}}
	least := testing.AllocsPerRun(1, func() { s.Sign(c) })
	for range 20 { // a garbage collection may empty the pool
		least = min(least, testing.AllocsPerRun(1, func() { s.Sign(c) }))
	}
	require.Equal(t, 1.0, least)
}
