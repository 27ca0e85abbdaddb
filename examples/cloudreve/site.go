package main

import (
	"github.com/authmw/authmw/authmwtest/cloudrevetest"
	"github.com/authmw/authmw/issuer"
)

// The users of the site. Bob has a second factor, whose one-time password is always the same.
var users = []cloudrevetest.User{
	{ID: "wGH0", Email: "admin@example.com", Password: "Passw0rd!", Nickname: "admin"},
	{ID: "ogUy", Email: "bob@example.com", Password: "Passw0rd!", Nickname: "bob", OTP: "123456"},
}

// A client may be given these scopes. With openid, package introspect can ask whose token it is.
var clientScopes = []string{"openid", "profile", "Files.Read"}

// tokens returns an access token for each kind of sender.
func tokens(site *cloudrevetest.Site) (user, client string, err error) {
	own, err := site.Issue(issuer.Identity{Subject: "wGH0"})
	if err != nil {
		return "", "", err
	}
	granted, err := site.Issue(issuer.Identity{Subject: "wGH0", ClientID: "desktop", Scopes: clientScopes})
	return own.AccessToken, granted.AccessToken, err
}
