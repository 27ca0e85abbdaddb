// Gin is a service for a page that has its token in a cookie and speaks Cloudreve's own envelope.
//
//	AUTHMW_SECRET=$(cat master-key) go run ./examples/gin
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"

	"github.com/authmw/authmw"
	authgin "github.com/authmw/authmw/adapters/gin"
)

func newEngine(secret []byte) (*gin.Engine, error) {
	v, err := authmw.New(secret,
		authmw.WithExtractors(authmw.AuthorizationHeader(), authmw.Cookie("access_token")),
		authmw.WithRenderer(authmw.CloudreveEnvelope))
	if err != nil {
		return nil, err
	}
	r := gin.New()
	// Browsers send cookies along with other sites' requests too.
	protection := http.NewCrossOriginProtection()
	r.Use(func(c *gin.Context) {
		if err := protection.Check(c.Request); err != nil {
			c.AbortWithStatus(http.StatusForbidden)
		}
	})
	api := r.Group("/api", authgin.Required(v))
	api.GET("/me", func(c *gin.Context) {
		claims, _ := authgin.Claims(c)
		c.JSON(http.StatusOK, gin.H{"code": 0, "data": gin.H{"id": claims.Subject}, "msg": ""})
	})
	return r, nil
}

func main() {
	r, err := newEngine([]byte(os.Getenv("AUTHMW_SECRET")))
	if err != nil {
		log.Fatalf("set AUTHMW_SECRET to the site's master key: %v", err)
	}
	log.Fatal(r.Run("127.0.0.1:8080"))
}
