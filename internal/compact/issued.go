package compact

import (
	"strings"
	"time"
)

// parseIssued is ParseClaims for payloads in just the form that Cloudreve issues for access tokens: these members in
// this order, without white space and escapes, in ASCII. It reports whether payload is one. If not, claims are left
// undefined, and nothing is said about payload: that is for ParseClaims to do, which accepts all that this accepts, with
// the same claims.
func parseIssued(payload string, claims *Claims) bool {
	*claims = Claims{Payload: payload}
	p := issued{rest: payload, ok: true}
	p.literal(`{"token_type":"`)
	claims.TokenType = p.string()
	p.literal(`,"sub":"`)
	claims.Subject = p.string()
	p.literal(`,"exp":`)
	claims.ExpiresAt = p.date()
	p.literal(`,"nbf":`)
	claims.NotBefore = p.date()
	if p.optional(`,"scopes":["`) {
		list, _, _ := strings.Cut(p.rest, "]")
		claims.Scopes = make([]string, 0, 1+strings.Count(list, `","`))
		for more := true; more; more = p.optional(`,"`) {
			claims.Scopes = append(claims.Scopes, p.string())
		}
		p.literal(`]`)
	}
	if p.optional(`,"client_id":"`) {
		claims.ClientID = p.string()
	}
	return p.ok && p.rest == "}"
}

// issued reads what parseIssued expects, one thing after another. Once something else is found, ok is false.
type issued struct {
	rest string
	ok   bool
}

func (p *issued) literal(text string) {
	p.ok = p.optional(text) && p.ok
}

func (p *issued) optional(text string) (found bool) {
	p.rest, found = strings.CutPrefix(p.rest, text)
	return found
}

// string reads up to the quotation mark that ends a string.
func (p *issued) string() string {
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			value := p.rest[:i]
			p.rest = p.rest[i+1:]
			return value
		case c < ' ' || c > '~' || c == '\\':
			p.ok = false
			return ""
		}
	}
	p.ok = false
	return ""
}

// date reads seconds without a fraction. What follows them is for the next literal to check.
func (p *issued) date() time.Time {
	var seconds int64
	i := 0
	for ; i < len(p.rest) && i <= lastSecondDigits; i++ {
		digit := p.rest[i] - '0'
		if digit > 9 {
			break
		}
		seconds = seconds*10 + int64(digit)
	}
	if i == 0 || p.rest[0] == '0' || seconds > lastSecond {
		p.ok = false
		return time.Time{}
	}
	p.rest = p.rest[i:]
	return time.Unix(seconds, 0).UTC()
}
