package compact

import (
	"strings"
	"time"
)

const (
	// issuedHeader is {"alg":"HS256","typ":"JWT"}, which Cloudreve and golang-jwt put before every token that they
	// issue. A header of exactly these bytes needs no parsing.
	issuedHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"

	// issuedPayload is how the payload of every access token from Cloudreve begins, and issuedStart how the token does.
	// Its 30 bytes are just 40 characters of base64url, so that what follows can be decoded on its own.
	issuedPayload = `{"token_type":"access","sub":"`
	issuedStart   = issuedHeader + ".eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwic3ViIjoi"
)

// parseIssued is ParseClaims for payloads in just the form that Cloudreve issues for access tokens: these members in
// this order, without white space and escapes, in ASCII. It reports whether payload is one. If not, claims are left
// undefined, and nothing is said about payload: that is for ParseClaims to do, which accepts all that this accepts, with
// the same claims.
//
// It copies from payload only what claims keep: the subject of a user's own token, everything of an OAuth client's.
func parseIssued(payload []byte, claims *Claims) bool {
	if claims.Refresh != nil {
		return false // they are of refresh tokens, whose payload begins otherwise
	}
	p := issued{json: payload, ok: true}
	p.literal(issuedPayload)
	from, to := p.string()
	p.literal(`,"exp":`)
	expiresAt := p.date()
	p.literal(`,"nbf":`)
	notBefore := p.date()
	if !p.ok {
		return false
	}
	*claims = Claims{TokenType: "access", ExpiresAt: expiresAt, NotBefore: notBefore}
	if p.end() {
		claims.Subject = string(payload[from:to])
		return true
	}

	text := string(payload)
	claims.Subject = text[from:to]
	if p.optional(`,"scopes":["`) {
		list, _, _ := strings.Cut(text[p.pos:], "]")
		claims.Scopes = make([]string, 0, min(1+strings.Count(list, `","`), MaxScopes))
		for more := true; more; more = p.optional(`,"`) {
			if len(claims.Scopes) == MaxScopes {
				return false
			}
			from, to := p.string()
			claims.Scopes = append(claims.Scopes, text[from:to])
		}
		p.literal(`]`)
	}
	if p.optional(`,"client_id":"`) {
		from, to := p.string()
		claims.ClientID = text[from:to]
	}
	return p.ok && p.end()
}

// issued reads what parseIssued expects, one thing after another. Once something else is found, ok is false.
type issued struct {
	json []byte
	pos  int
	ok   bool
}

func (p *issued) literal(text string) {
	p.ok = p.optional(text) && p.ok
}

func (p *issued) optional(text string) bool {
	end := p.pos + len(text)
	if end > len(p.json) || string(p.json[p.pos:end]) != text {
		return false
	}
	p.pos = end
	return true
}

func (p *issued) end() bool { return string(p.json[p.pos:]) == "}" }

// string reads up to the quotation mark that ends a string, and returns where in the payload the string is.
func (p *issued) string() (from, to int) {
	from = p.pos
	for i, c := range p.json[from:] {
		switch {
		case c == '"':
			p.pos = from + i + 1
			return from, from + i
		case c < ' ' || c > '~' || c == '\\':
			p.ok = false
			return from, from
		}
	}
	p.ok = false
	return from, from
}

// date reads seconds of ten digits, those of the years 2001 to 2286.
func (p *issued) date() time.Time {
	const digits = 10
	rest := p.json[p.pos:]
	if len(rest) < digits || rest[0] == '0' {
		p.ok = false
		return time.Time{}
	}
	var seconds int64
	for _, c := range rest[:digits] {
		if c < '0' || c > '9' {
			p.ok = false
		}
		seconds = seconds*10 + int64(c-'0')
	}
	p.pos += digits
	return time.Unix(seconds, 0).UTC()
}
