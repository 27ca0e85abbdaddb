package compact

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Claims are a token's claims.
type Claims struct {
	TokenType string
	Subject   string
	ExpiresAt time.Time // zero if absent
	NotBefore time.Time // zero if absent
	Scopes    []string
	ClientID  string
	Segment   string // all of them, as they stand in the token: in base64url
}

// The claims whose type is checked. The first six are an access token's; the others are Cloudreve's on refresh tokens
// and RFC 7519's, which every decoder of those would trip over if ill-typed.
const (
	claimTokenType = iota
	claimSubject
	claimExpiresAt
	claimNotBefore
	claimScopes
	claimClientID
	claimStateHash
	claimRootTokenID
	claimIssuer
	claimAudience
	claimIssuedAt
	claimID
	claimUnknown
)

var claimNames = []string{
	claimTokenType:   "token_type",
	claimSubject:     "sub",
	claimExpiresAt:   "exp",
	claimNotBefore:   "nbf",
	claimScopes:      "scopes",
	claimClientID:    "client_id",
	claimStateHash:   "state_hash",
	claimRootTokenID: "root_token_id",
	claimIssuer:      "iss",
	claimAudience:    "aud",
	claimIssuedAt:    "iat",
	claimID:          "jti",
}

func claimByName(name string) int {
	// A switch, since it costs a comparison or two where a loop costs twelve.
	switch name {
	case "token_type":
		return claimTokenType
	case "sub":
		return claimSubject
	case "exp":
		return claimExpiresAt
	case "nbf":
		return claimNotBefore
	case "scopes":
		return claimScopes
	case "client_id":
		return claimClientID
	case "state_hash":
		return claimStateHash
	case "root_token_id":
		return claimRootTokenID
	case "iss":
		return claimIssuer
	case "aud":
		return claimAudience
	case "iat":
		return claimIssuedAt
	case "jti":
		return claimID
	}
	return claimUnknown
}

// ParseClaims fills claims from the JSON object payload. It checks form and types, and that no member occurs twice
// (RFC 7519 section 4: "The Claim Names within a JWT Claims Set MUST be unique"), but none of the values. Strings are
// slices of payload unless it wrote them with escapes. Segment is left empty.
func ParseClaims(payload string, claims *Claims) error {
	*claims = Claims{}
	if !utf8.ValidString(payload) {
		return &Error{Kind: Claim, Reason: reasonUTF8}
	}
	var (
		s     = scanner{json: payload}
		seen  uint // a bit for each known claim
		other nameSet
		claim = claimUnknown
	)
	for name, ok := s.firstMember(); ok; name, ok = s.nextMember() {
		claim = claimByName(name)
		if claim != claimUnknown {
			if seen&(1<<claim) != 0 {
				s.fail(reasonDuplicate)
				break
			}
			seen |= 1 << claim
		}
		switch claim {
		case claimTokenType:
			claims.TokenType = s.text()
		case claimSubject:
			claims.Subject = s.text()
		case claimExpiresAt:
			claims.ExpiresAt = s.date()
		case claimNotBefore:
			claims.NotBefore = s.date()
		case claimScopes:
			claims.Scopes = s.texts()
		case claimClientID:
			claims.ClientID = s.text()
		case claimStateHash, claimRootTokenID, claimIssuer, claimID:
			s.text()
		case claimIssuedAt:
			s.date()
		case claimAudience:
			// RFC 7519 section 4.1.3: an array of strings or, for a single audience, a string.
			if s.peek() == '"' {
				s.string()
			} else {
				s.texts()
			}
		default:
			if !other.add(name) {
				s.fail(reasonDuplicate)
			} else if foldsTo(name, claimNames) {
				s.fail(reasonFolded)
			}
			s.skip()
		}
		if s.reason != "" {
			break
		}
		claim = claimUnknown
	}
	s.end()
	if s.reason != "" {
		err := &Error{Kind: Claim, Reason: s.reason}
		if claim != claimUnknown {
			err.Member = claimNames[claim]
		}
		return err
	}
	return nil
}

// Check holds the values against what is expected, in the order in which Cloudreve does: an expired refresh token is
// expired, one that is still good is of the wrong type.
func (c *Claims) Check(expect Expect) error {
	if c.ExpiresAt.IsZero() {
		return &Error{Kind: Claim, Member: "exp", Reason: reasonMissing}
	}
	now := expect.Now()
	early, late := now, now
	if expect.Leeway != 0 || expect.Early != 0 {
		early, late = now.Add(expect.Leeway+expect.Early), now.Add(-expect.Leeway)
	}
	// RFC 7519 section 4.1.4: "the current date/time MUST be before the expiration date/time". A fraction of a second is
	// cut off, as Cloudreve and golang-jwt do, rather than granted.
	if exp := c.ExpiresAt.Unix(); late.Unix() >= exp {
		return &Error{Kind: Expired, Member: "exp", By: now.Sub(time.Unix(exp, 0)).Round(time.Millisecond)}
	}
	// RFC 7519 section 4.1.5: "the current date/time MUST be after or equal to the not-before date/time".
	if early.Before(c.NotBefore) {
		return &Error{Kind: NotYetValid, Member: "nbf", By: c.NotBefore.Sub(now).Round(time.Millisecond)}
	}
	if c.TokenType != expect.TokenType {
		return &Error{Kind: WrongType, Member: "token_type", Reason: reasonTokenType}
	}
	if reason := CheckSubject(c.Subject); reason != "" {
		return &Error{Kind: Claim, Member: "sub", Reason: reason}
	}
	return nil
}

// CheckSubject returns what is wrong with a subject, or "".
func CheckSubject(subject string) (reason string) {
	switch {
	case subject == "":
		return reasonEmpty
	case len(subject) > 255:
		return reasonLong
	case strings.ContainsFunc(subject, unicode.IsControl):
		return reasonControl
	}
	return ""
}
