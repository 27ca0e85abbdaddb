package main

import (
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/authmw/authmw"
	authecho "github.com/authmw/authmw/adapters/echov5"
)

func echoV5(v *authmw.Validator) http.Handler {
	e := echo.New()
	e.GET("/ping", func(c *echo.Context) error {
		return c.String(http.StatusOK, "pong")
	}, authecho.None())
	e.GET("/share", func(c *echo.Context) error {
		viewer := "anyone"
		if claims, ok := authecho.Claims(c); ok {
			viewer = claims.Subject
		}
		return c.String(http.StatusOK, "a share, seen by "+viewer)
	}, authecho.Optional(v))
	e.GET("/me", func(c *echo.Context) error {
		claims, _ := authecho.Claims(c)
		return c.String(http.StatusOK, "you are "+claims.Subject)
	}, authecho.Required(v))
	e.GET("/files", func(c *echo.Context) error {
		claims, _ := authecho.Claims(c)
		return c.String(http.StatusOK, "files of "+claims.Subject)
	}, authecho.Required(v, "Files.Read"))
	return e
}
