package session

import "net/http"

// Action is what a request asks for.
type Action string

// The actions.
const (
	ActionLogin        Action = "login"
	ActionSecondFactor Action = "second factor"
	ActionRefresh      Action = "refresh"
	ActionLogout       Action = "logout"
)

// Event is one answered request.
type Event struct {
	Request *http.Request // whose body was read
	Action  Action
	// Err is nil if tokens were issued or a login ended, and otherwise why not: one of this package's errors, among them
	// *SecondFactorRequiredError, one of package issuer's, one about the form of the request, or whatever a function of the
	// application's returned.
	Err error
}
