package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/authmw/authmw"
	authgin "github.com/authmw/authmw/adapters/gin"
)

func ginGonic(v *authmw.Validator) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/ping", authgin.None(), func(c *gin.Context) {
		c.String(http.StatusOK, "pong")
	})
	r.GET("/share", authgin.Optional(v), func(c *gin.Context) {
		viewer := "anyone"
		if claims, ok := authgin.Claims(c); ok {
			viewer = claims.Subject
		}
		c.String(http.StatusOK, "a share, seen by "+viewer)
	})
	r.GET("/me", authgin.Required(v), func(c *gin.Context) {
		claims, _ := authgin.Claims(c)
		c.String(http.StatusOK, "you are "+claims.Subject)
	})
	r.GET("/files", authgin.Required(v, "Files.Read"), func(c *gin.Context) {
		claims, _ := authgin.Claims(c)
		c.String(http.StatusOK, "files of "+claims.Subject)
	})
	return r
}
