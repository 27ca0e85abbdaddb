// Echo is a service with an error handler of its own, which gives denied requests the look of all its other errors.
//
//	AUTHMW_SECRET=$(cat master-key) go run ./examples/echo
package main

import (
	"errors"
	"log"
	"net/http"
	"os"

	"github.com/labstack/echo/v4"

	"github.com/authmw/authmw"
	authecho "github.com/authmw/authmw/adapters/echo"
)

func newServer(secret []byte) (*echo.Echo, error) {
	v, err := authmw.New(secret)
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.HTTPErrorHandler = handleError
	e.GET("/api/files", files, authecho.Required(v, "Files.Read"))
	return e, nil
}

func files(c echo.Context) error {
	claims, _ := authecho.Claims(c)
	return c.JSON(http.StatusOK, map[string]string{"owner": claims.Subject})
}

func handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	status, reason := http.StatusInternalServerError, "internal"
	var denied *authmw.Error
	var other *echo.HTTPError
	switch {
	case errors.As(err, &denied):
		status, reason = denied.Status(), denied.Code()
	case errors.As(err, &other):
		status, reason = other.Code, http.StatusText(other.Code)
	}
	_ = c.JSON(status, map[string]any{"ok": false, "reason": reason})
}

func main() {
	e, err := newServer([]byte(os.Getenv("AUTHMW_SECRET")))
	if err != nil {
		log.Fatalf("set AUTHMW_SECRET to the site's master key: %v", err)
	}
	log.Fatal(e.Start("127.0.0.1:8080"))
}
