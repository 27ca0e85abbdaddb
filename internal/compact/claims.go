package compact

import (
	"strings"
	"time"
	"unicode"

	"github.com/authmw/authmw/internal/strictjson"
)

// Claims are a token's claims.
type Claims struct {
	TokenType string
	Subject   string
	ExpiresAt time.Time // in whole seconds, zero if absent
	NotBefore time.Time // in whole seconds, zero if absent
	Scopes    []string  // nil if absent, not nil if empty
	ClientID  string
	Segment   string // all of them, as they stand in the token: in base64url

	Refresh *Refresh // nil unless the caller wants those of a refresh token too
}

// Refresh holds the claims that only refresh tokens have. An absent one is empty.
type Refresh struct {
	ID          string // jti
	StateHash   string // in base64
	RootTokenID string
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

const (
	// MaxScopes is the largest number of elements in scopes, the only array whose elements are kept.
	MaxScopes = 100

	// maxMembers is the largest number of members in the payload, including those of nested objects.
	maxMembers = 100
)

// ParseClaims fills claims from the JSON object payload. It checks form and types, and that no member occurs twice
// (RFC 7519 section 4: "The Claim Names within a JWT Claims Set MUST be unique"), but none of the values. A null
// token_type or sub counts as absent. Strings are slices of payload unless they have escapes. Segment is left empty.
// It fills claims.Refresh if that is not nil.
func ParseClaims(payload string, claims *Claims) error { return parseClaims(payload, claims, nil) }

// parseClaims does what ParseClaims does, with a buffer to work in.
func parseClaims(payload string, claims *Claims, buffer []byte) error {
	refresh := claims.Refresh
	*claims = Claims{Refresh: refresh}
	if refresh != nil {
		*refresh = Refresh{}
	}
	var (
		s     = strictjson.New(payload, maxMembers, buffer)
		seen  uint // a bit for each known claim
		claim = claimUnknown
	)
	for name, ok := s.FirstMember(); ok; name, ok = s.NextMember() {
		if claim = claimByName(name); claim == claimUnknown {
			s.Unique(name, 0)
			if strictjson.FoldsTo(name, claimNames) {
				s.Fail(strictjson.ReasonFolded)
			}
			s.Skip()
		} else if seen&(1<<claim) != 0 {
			s.Fail(strictjson.ReasonDuplicate)
		} else {
			seen |= 1 << claim
			parseClaim(&s, claim, claims)
		}
		if s.Reason != "" {
			break
		}
		claim = claimUnknown
	}
	s.End()
	if s.Reason == "" {
		return nil
	}
	err := &Error{Kind: Claim, Reason: limited(s.Reason)}
	if claim != claimUnknown {
		err.Member = claimNames[claim]
	}
	return err
}

// parseClaim reads the value of a known claim.
func parseClaim(s *strictjson.Scanner, claim int, claims *Claims) {
	switch claim {
	case claimTokenType:
		claims.TokenType = s.TextOrNull()
	case claimSubject:
		claims.Subject = s.TextOrNull()
	case claimExpiresAt:
		// RFC 7519 section 4.1.4: "on or after which the JWT MUST NOT be accepted". Rounding down never accepts longer.
		claims.ExpiresAt = date(s, false)
	case claimNotBefore:
		// Golang-jwt converts nbf to float64, which may round a fraction up to the next second. Rounding up always is
		// never earlier.
		claims.NotBefore = date(s, true)
	case claimScopes:
		claims.Scopes = s.Texts(MaxScopes)
	case claimClientID:
		claims.ClientID = s.Text()
	case claimIssuedAt:
		date(s, false)
	case claimAudience:
		// RFC 7519 section 4.1.3: an array of strings or, for a single audience, a string.
		if s.Peek() == '"' {
			s.SkipText()
		} else {
			s.SkipTexts()
		}
	default:
		parseRefresh(s, claim, claims.Refresh)
	}
}

// parseRefresh reads a string that only refresh tokens have, or that nothing here uses.
func parseRefresh(s *strictjson.Scanner, claim int, refresh *Refresh) {
	switch {
	case refresh == nil:
		s.SkipText()
	case claim == claimStateHash:
		refresh.StateHash = s.Text()
	case claim == claimRootTokenID:
		refresh.RootTokenID = s.Text()
	case claim == claimID:
		refresh.ID = s.Text()
	default:
		s.SkipText()
	}
}

// Expect is what a token must match beyond its MAC.
type Expect struct {
	TokenType string           // the exact value of token_type
	Now       func() time.Time // asked only once the MAC was found right
	Leeway    time.Duration    // how far exp and nbf may be missed
	Early     time.Duration    // how far nbf may be missed on top of that
}

// Check compares the values with what is expected, in the order in which Cloudreve does: an expired refresh token is
// expired, one that is still valid is of the wrong type.
func (c *Claims) Check(expect Expect) error {
	now := expect.Now()
	early, late := now, now
	if expect.Leeway != 0 || expect.Early != 0 {
		early, late = now.Add(expect.Leeway+expect.Early), now.Add(-expect.Leeway)
	}
	// RFC 7519 section 4.1.4: "the current date/time MUST be before the expiration date/time".
	if !c.ExpiresAt.IsZero() && !late.Before(c.ExpiresAt) {
		return &Error{Kind: Expired, Member: "exp", By: now.Sub(c.ExpiresAt).Round(time.Millisecond)}
	}
	// RFC 7519 section 4.1.5: "the current date/time MUST be after or equal to the not-before date/time".
	if early.Before(c.NotBefore) {
		return &Error{Kind: NotYetValid, Member: "nbf", By: c.NotBefore.Sub(now).Round(time.Millisecond)}
	}
	if c.TokenType != expect.TokenType {
		err := &Error{Kind: WrongType, Member: "token_type", Reason: reasonTokenType, Want: wantedType[expect.TokenType]}
		if c.TokenType == "" {
			err.Reason = reasonMissing
		} else {
			err.Found = knownType[c.TokenType]
		}
		return err
	}
	if reason := CheckSubject(c.Subject); reason != "" {
		return &Error{Kind: Subject, Member: "sub", Reason: reason}
	}
	if c.ExpiresAt.IsZero() {
		return &Error{Kind: Claim, Member: "exp", Reason: reasonMissing}
	}
	return nil
}

// Texts about the values of token_type, for errors.
var (
	knownType  = map[string]string{"access": `"access"`, "refresh": `"refresh"`}
	wantedType = map[string]string{"access": `it must be "access"`, "refresh": `it must be "refresh"`}
)

// CheckSubject returns what is wrong with a subject, or "".
func CheckSubject(subject string) (reason string) {
	switch {
	case subject == "":
		return reasonMissing
	case len(subject) > 255:
		return reasonLong
	case strings.ContainsFunc(subject, unicode.IsControl):
		return reasonControl
	}
	return ""
}
