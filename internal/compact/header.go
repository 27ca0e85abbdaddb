package compact

import (
	"slices"
	"strings"

	"github.com/authmw/authmw/internal/strictjson"
)

// The header parameters that mean something here, if only that the token is refused. All others are skipped: jku, jwk
// and x5* in particular are never read, and kid selects nothing, since every current key is tried anyway.
var headerNames = []string{"alg", "typ", "kid", "crit", "b64", "zip", "enc", "cty"}

// otherAlgorithms are the other registered values of alg (RFC 7518 section 3.1, RFC 8037 section 3.1). An error may
// name them: text that the sender chose freely never stands in an error.
var otherAlgorithms = []string{"none", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512",
	"PS256", "PS384", "PS512", "EdDSA"}

// maxHeaderMembers bounds the work on a header before its MAC is known. RFC 7515 registers eleven parameters.
const maxHeaderMembers = 16

// parseHeader checks a JOSE header that is not, to the letter, the one that Cloudreve issues.
func parseHeader(header string, buffer []byte) error {
	var (
		s         = strictjson.New(header, maxHeaderMembers, buffer)
		algorithm string
		member    string
	)
	for name, ok := s.FirstMember(); ok; name, ok = s.NextMember() {
		s.Unique(name, 0)
		if s.Reason != "" {
			break
		}
		member = name
		switch name {
		case "alg":
			algorithm = s.Text()
		case "typ":
			// RFC 7519 section 5.1 recommends "JWT" in upper case but does not demand it. Any other type is another
			// kind of token (RFC 8725 section 3.11).
			if typ := s.Text(); s.Reason == "" && !strings.EqualFold(typ, "JWT") {
				s.Fail(reasonHeaderType)
			}
		case "kid":
			s.SkipText()
		case "crit", "b64", "zip", "enc", "cty":
			// RFC 7515 section 4.1.11: "If any of the listed extension Header Parameters are not understood and supported
			// by the recipient, then the JWS is invalid." None is. The others would change what the payload's bytes mean.
			s.Fail(reasonUnsupported)
		default:
			member = ""
			if strictjson.FoldsTo(name, headerNames) {
				s.Fail(strictjson.ReasonFolded)
			}
			s.Skip()
		}
		if s.Reason != "" {
			break
		}
		member = ""
	}
	s.End()
	if s.Reason != "" {
		return &Error{Kind: Malformed, Member: member, Reason: limited(s.Reason)}
	}
	// RFC 8725 section 3.1: exactly the one algorithm that the keys are for.
	if algorithm != "HS256" {
		err := &Error{Kind: Malformed, Member: "alg", Reason: reasonAlgorithm, Want: "only HS256 is accepted"}
		if i := slices.Index(otherAlgorithms, algorithm); i >= 0 {
			err.Found = otherAlgorithms[i]
		} else if algorithm == "" {
			err.Reason = reasonMissing
		}
		return err
	}
	return nil
}
