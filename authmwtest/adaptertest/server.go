package adaptertest

import (
	"net/http"

	"github.com/authmw/authmw"
)

// Server is what [TestAdapter] asks an adapter's own test to build.
type Server struct {
	Routes []Route
	// Router, if not nil, is a further middleware around the router as a whole.
	Router *Middleware
	// Recover, if not nil, asks for a recovery middleware outside of everything else. It calls Recover with the value that
	// it recovered and answers with status 500. If Recover returns true, it also tells the framework to stop, where a
	// framework can be told.
	Recover func(value any) (abort bool)
}

// Middleware is what an adapter's middleware is made from.
type Middleware struct {
	Validator *authmw.Validator
	Mode      authmw.Mode
	Scopes    []string
}

// Route is one route of a Server.
type Route struct {
	Method     string
	Path       string // without parameters
	Middleware        // in front of this route alone
	// Handle is to be called by the route's handler, with what the adapter's own Claims returns there.
	Handle func(w http.ResponseWriter, r *http.Request, claims *authmw.Claims, ok bool)
}
