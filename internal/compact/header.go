package compact

import (
	"slices"
	"strings"
	"unicode/utf8"
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
	if !utf8.ValidString(header) {
		return malformed(reasonUTF8)
	}
	var (
		s         = scanner{json: header, maxMembers: maxHeaderMembers, buffer: buffer}
		algorithm string
		member    string
	)
	for name, ok := s.firstMember(); ok; name, ok = s.nextMember() {
		s.unique(name, 0)
		if s.reason != "" {
			break
		}
		member = name
		switch name {
		case "alg":
			algorithm = s.text()
		case "typ":
			// RFC 7519 section 5.1 recommends "JWT" in upper case but does not demand it. Any other type is another
			// kind of token (RFC 8725 section 3.11).
			if typ := s.text(); s.reason == "" && !strings.EqualFold(typ, "JWT") {
				s.fail(reasonHeaderType)
			}
		case "kid":
			s.skipText()
		case "crit", "b64", "zip", "enc", "cty":
			// RFC 7515 section 4.1.11: "If any of the listed extension Header Parameters are not understood and supported
			// by the recipient, then the JWS is invalid." None is. The others would change what the payload's bytes mean.
			s.fail(reasonUnsupported)
		default:
			member = ""
			if foldsTo(name, headerNames) {
				s.fail(reasonFolded)
			}
			s.skip()
		}
		if s.reason != "" {
			break
		}
		member = ""
	}
	s.end()
	if s.reason != "" {
		return &Error{Kind: Malformed, Member: member, Reason: s.reason}
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
