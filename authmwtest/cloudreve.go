package authmwtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/internal/cloudreve"
	"github.com/authmw/authmw/internal/uuid"
	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/session"
)

// Cloudreve is a stand-in for a Cloudreve v4 site, as far as logins and tokens go, for tests of clients and plugins. It
// answers as Cloudreve 4.14 does, which is tested against what a real one answered:
//
//	POST   /api/v4/session/token           login
//	POST   /api/v4/session/token/2fa       its second step
//	POST   /api/v4/session/token/refresh   refresh
//	DELETE /api/v4/session/token           logout
//	GET    /api/v4/session/oauth/userinfo  for tokens of OAuth clients
//	GET    /api/v4/user/me
//	GET    /api/v4/site/ping
//	GET    /api/v4/site/config/basic       its instance_id alone
//
// and whatever Handle adds. All other requests are 404. Of tokens it accepts what package authmw does, which is less than
// Cloudreve accepts, but all that Cloudreve issues.
//
// It is an http.Handler, for an httptest.Server, and an http.RoundTripper, for a client without a network in between,
// which is what tests under testing/synctest need:
//
//	site := authmwtest.NewCloudreve(t, authmwtest.CloudreveConfig{})
//	httpClient := &http.Client{Transport: site}
//
// It is safe for concurrent use, and what the Set methods change holds for the requests that come after.
type Cloudreve struct {
	tb     testing.TB
	config CloudreveConfig
	store  *issuer.MemoryStore
	mux    *http.ServeMux

	mu       sync.Mutex
	secret   string
	ttl      struct{ access, refresh time.Duration }
	issuer   *issuer.Issuer
	verifier *authmw.Validator
	sessions http.Handler
	logins   map[string]string // the users of those that wait for the second step
	banned   map[string]bool
	ended    map[string]int // how often all logins of a user were ended
	latency  time.Duration
	outage   Outage
	count    map[string]int
}

// CloudreveConfig is what a Cloudreve is made of. What is left out gets a default.
type CloudreveConfig struct {
	// Secret is the master key: package authmwtest's Secret, unless set.
	Secret string
	// SiteID is the setting of that name, a UUID.
	SiteID string
	// Users are those of the site. Unless set, there is one, with the ID wGH0, the e-mail address admin@example.com and the
	// password Passw0rd!.
	Users []CloudreveUser
	// Now is the site's clock: time.Now, unless set.
	Now func() time.Time
}

// CloudreveUser is a user of a Cloudreve.
type CloudreveUser struct {
	// ID is the user's ID in the API, and sub of the tokens.
	ID string
	// Email and Password are what the user logs in with.
	Email, Password string
	// Nickname is the name that others see.
	Nickname string
	// OTP is the one-time password of the second step. There is none if it is empty.
	OTP string
	// Stored is the password as it is in the database, which is part of state_hash: the Password itself, unless set.
	Stored string
	// Profile is what GET /api/v4/user/me answers, as encoding/json makes it: made of the fields above, unless set.
	Profile any
}

// Outage is what keeps a Cloudreve from doing its work.
type Outage int

// The outages.
const (
	NoOutage    Outage = iota
	Unreachable        // connections are refused or, in a server, broken off
	BadGateway         // the proxy before it answers, with status 502 and HTML
	RedisDown          // login, refresh and logout have status 500 and no body; access tokens work on
)

// NewCloudreve returns a Cloudreve. The lifetimes of its tokens are those of issuer.DefaultAccessTTL and
// issuer.DefaultRefreshTTL. A mistake in config fails the test.
func NewCloudreve(tb testing.TB, config CloudreveConfig) *Cloudreve {
	tb.Helper()
	if config.Secret == "" {
		config.Secret = Secret
	}
	if config.SiteID == "" {
		config.SiteID = "00000000-0000-4000-8000-000000000000"
	}
	if config.Users == nil {
		config.Users = []CloudreveUser{{ID: "wGH0", Email: "admin@example.com", Password: "Passw0rd!", Nickname: "admin"}}
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	c := &Cloudreve{
		tb: tb, config: config, store: issuer.NewMemoryStore(), mux: http.NewServeMux(), secret: config.Secret,
		logins: map[string]string{}, banned: map[string]bool{}, ended: map[string]int{}, count: map[string]int{},
	}
	c.ttl.access, c.ttl.refresh = issuer.DefaultAccessTTL, issuer.DefaultRefreshTTL
	c.mu.Lock()
	c.rebuild()
	c.mu.Unlock()

	serveSessions := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		sessions := c.sessions
		c.mu.Unlock()
		sessions.ServeHTTP(w, r)
	})
	c.Handle("POST /api/v4/session/token", authmw.Optional, serveSessions)
	c.Handle("DELETE /api/v4/session/token", authmw.Optional, serveSessions)
	c.Handle("POST /api/v4/session/token/2fa", authmw.Optional, serveSessions)
	c.Handle("POST /api/v4/session/token/refresh", authmw.Optional, serveSessions, "offline_access")
	c.Handle("GET /api/v4/session/oauth/userinfo", authmw.Required, http.HandlerFunc(c.serveUserinfo))
	c.Handle("GET /api/v4/site/ping", authmw.Optional, cloudreveData("4.14.0"))
	c.Handle("GET /api/v4/site/config/basic", authmw.Optional, cloudreveData(map[string]string{"instance_id": config.SiteID}))
	c.Handle("GET /api/v4/user/me", authmw.Required, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := authmw.FromContext(r.Context())
		cloudreveData(c.user(claims.Subject).profile()).ServeHTTP(w, r)
	}), "UserInfo.Read")
	return c
}

// rebuild makes what the secret and the lifetimes are part of. It is called with the lock held.
func (c *Cloudreve) rebuild() {
	c.tb.Helper()
	var err error
	c.issuer, err = issuer.NewCloudreveCompatible([]byte(c.secret), c.store, issuer.WithClock(c.config.Now),
		issuer.WithTTL(c.ttl.access, c.ttl.refresh), issuer.WithStateHash(c.state))
	if err == nil {
		c.verifier, err = authmw.New([]byte(c.secret), authmw.WithClock(c.config.Now), authmw.WithLenientOptional())
	}
	if err == nil {
		c.sessions, err = session.New(c.issuer, c.login, session.WithSecondFactor(c.secondFactor))
	}
	if err != nil {
		c.tb.Fatalf("authmwtest: %v", err)
	}
}

// Handle adds a route to the site: a pattern of http.ServeMux, what Cloudreve calls its authentication, and the scopes that
// it asks of OAuth clients. The handler finds the claims with authmw.FromContext. As in Cloudreve, a token that does not
// verify counts as none, and one of a wrong type or for no active user is an error even on routes that need none.
func (c *Cloudreve) Handle(pattern string, mode authmw.Mode, handler http.Handler, scopes ...string) {
	c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		claims, code, msg := c.currentUser(r)
		if code != 0 {
			cloudreveDenial(w, r, code, msg)
			return
		}
		w.Header().Set("Cache-Control", "private, no-cache")
		if claims == nil && mode == authmw.Required {
			cloudreveDenial(w, r, cloudreve.CodeLoginRequired, "Login required")
			return
		}
		for _, scope := range scopes {
			// To Cloudreve, scopes without a client_id mean nothing.
			if claims != nil && claims.ClientID != "" && !claims.HasScope(scope) {
				cloudreveDenial(w, r, cloudreve.CodeInsufficientScope, "Insufficient scope: "+scope)
				return
			}
		}
		handler.ServeHTTP(w, r.WithContext(authmw.NewContext(r.Context(), claims)))
	})
}

// currentUser returns who sent r, nil for nobody, or what is answered to r on whatever route.
func (c *Cloudreve) currentUser(r *http.Request) (claims *authmw.Claims, code int, msg string) {
	c.mu.Lock()
	verifier := c.verifier
	c.mu.Unlock()
	claims, err := verifier.Check(r, authmw.Optional)
	switch {
	case errors.Is(err, authmw.ErrWrongTokenType):
		return nil, cloudreve.CodeCredentialInvalid, "Invalid token type"
	case errors.Is(err, authmw.ErrInvalidClaims): // WithLenientOptional denies only those without a subject
		return nil, cloudreve.CodeNotFound, "User not found"
	case err != nil || claims == nil:
		return nil, 0, ""
	}
	user := c.user(claims.Subject)
	if strings.Trim(claims.Subject, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890") != "" {
		return nil, cloudreve.CodeNotFound, "User not found"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if user == nil || c.banned[user.ID] {
		return nil, cloudreve.CodeDBError, "failed to get login user"
	}
	return claims, 0, ""
}

func (c *Cloudreve) user(id string) *CloudreveUser {
	for i := range c.config.Users {
		if c.config.Users[i].ID == id {
			return &c.config.Users[i]
		}
	}
	return nil
}

func (u *CloudreveUser) profile() any {
	if u.Profile != nil {
		return u.Profile
	}
	type group struct {
		ID                  string `json:"id"`
		Name                string `json:"name"`
		Permission          string `json:"permission"`
		DirectLinkBatchSize int    `json:"direct_link_batch_size"`
		TrashRetention      int    `json:"trash_retention"`
	}
	return struct {
		ID        string `json:"id"`
		Email     string `json:"email"`
		Nickname  string `json:"nickname"`
		Status    string `json:"status"`
		CreatedAt string `json:"created_at"`
		Group     group  `json:"group"`
		Language  string `json:"language"`
	}{u.ID, u.Email, u.Nickname, "active", "2026-11-23T09:37:29.791311438Z", group{"MKUn", "User", "hAg=", 10, 604800}, "en-US"}
}

func (c *Cloudreve) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	claims, _ := authmw.FromContext(r.Context())
	// Cloudreve leaves out what an OAuth client was not granted. A token without a client_id gets everything.
	granted := map[string]bool{}
	for _, scope := range claims.Scopes {
		granted[scope] = true
	}
	own := claims.ClientID == ""
	if !own && !granted["openid"] {
		cloudreveDenial(w, r, cloudreve.CodeForbidden, "openid scope required")
		return
	}
	user := c.user(claims.Subject)
	info := struct {
		Sub               string `json:"sub"`
		Name              string `json:"name,omitempty"`
		PreferredUsername string `json:"preferred_username,omitempty"`
		Picture           string `json:"picture,omitempty"`
		UpdatedAt         int64  `json:"updated_at,omitempty"`
		Email             string `json:"email,omitempty"`
		EmailVerified     bool   `json:"email_verified,omitempty"`
	}{Sub: user.ID}
	if own || granted["profile"] {
		info.Name, info.PreferredUsername = user.Nickname, user.Nickname
		info.Picture, info.UpdatedAt = "http://localhost:5212/api/v4/user/avatar/"+user.ID, 1795426649
	}
	if own || granted["email"] {
		info.Email, info.EmailVerified = user.Email, true
	}
	writeJSON(w, info)
}

// login is the session.LoginFunc.
func (c *Cloudreve) login(_ context.Context, email, password string) (session.User, error) {
	for i := range c.config.Users {
		user := &c.config.Users[i]
		if !strings.EqualFold(user.Email, email) || user.Password != password {
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case c.banned[user.ID]:
			return session.User{}, session.ErrBlocked
		case user.OTP != "":
			id := uuid.New()
			c.logins[id] = user.ID
			return session.User{}, &session.SecondFactorRequiredError{SessionID: id}
		}
		return session.User{Identity: issuer.Identity{Subject: user.ID}, Profile: user.profile()}, nil
	}
	return session.User{}, session.ErrInvalidCredentials
}

// secondFactor is the session.SecondFactorFunc.
func (c *Cloudreve) secondFactor(_ context.Context, sessionID, otp string) (session.User, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	user := c.user(c.logins[sessionID])
	switch {
	case user == nil:
		return session.User{}, session.ErrUnknownLogin
	case user.OTP != otp:
		return session.User{}, session.ErrInvalidOTP
	}
	delete(c.logins, sessionID)
	return session.User{Identity: issuer.Identity{Subject: user.ID}, Profile: user.profile()}, nil
}

// state is the state_hash of a user's refresh tokens.
func (c *Cloudreve) state(_ context.Context, identity issuer.Identity) ([]byte, error) {
	user := c.user(identity.Subject)
	c.mu.Lock()
	defer c.mu.Unlock()
	if user == nil || c.banned[user.ID] {
		return nil, issuer.ErrInvalidGrant
	}
	stored := user.Stored
	if stored == "" {
		stored = user.Password
	}
	if n := c.ended[user.ID]; n > 0 {
		stored = fmt.Sprint(stored, " changed ", n)
	}
	return issuer.CloudreveStateHash(user.Email, stored, c.config.SiteID), nil
}

// Issue returns tokens as a login does or, if the identity has a ClientID, as the identity of an OAuth client does.
func (c *Cloudreve) Issue(identity issuer.Identity) issuer.Pair {
	c.tb.Helper()
	c.mu.Lock()
	i := c.issuer
	c.mu.Unlock()
	pair, err := i.Issue(context.Background(), identity)
	if err != nil {
		c.tb.Fatalf("authmwtest: cannot issue: %v", err)
	}
	return pair
}

// IssueWithoutClientID returns tokens as Cloudreve 4.12.0 to 4.16.0 issued them to OAuth clients (CVE-2026-54560): the
// access token has scopes and no client_id. The site takes it for a user's own login; a server with package authmw must
// not. The refresh token is as from Issue.
func (c *Cloudreve) IssueWithoutClientID(identity issuer.Identity) issuer.Pair {
	c.tb.Helper()
	pair := c.Issue(identity)
	c.mu.Lock()
	secret := []byte(c.secret)
	c.mu.Unlock()
	header, rest, _ := strings.Cut(pair.AccessToken, ".")
	segment, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		c.tb.Fatalf("authmwtest: cannot issue: %v", err)
	}
	payload, _, _ = bytes.Cut(payload, []byte(`,"client_id":`)) // which is the last member
	input := header + "." + base64.RawURLEncoding.EncodeToString(append(payload, '}'))
	signature, err := jwt.SigningMethodHS256.Sign(input, secret)
	if err != nil {
		c.tb.Fatalf("authmwtest: cannot issue: %v", err)
	}
	pair.AccessToken = input + "." + base64.RawURLEncoding.EncodeToString(signature)
	return pair
}

// SetTTL sets for how long tokens that are issued from now on are valid, a second or more.
func (c *Cloudreve) SetTTL(access, refresh time.Duration) {
	c.tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ttl.access, c.ttl.refresh = access, refresh
	c.rebuild()
}

// SetSecret replaces the master key, as after a restart: no token that was issued before works any more.
func (c *Cloudreve) SetSecret(secret string) {
	c.tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secret = secret
	c.rebuild()
}

// SetBanned bans the user with this ID, or lifts the ban.
func (c *Cloudreve) SetBanned(id string, banned bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.banned[id] = banned
}

// EndLogins ends all logins of the user with this ID, as a changed password does: refresh tokens no longer work, access
// tokens do until they expire.
func (c *Cloudreve) EndLogins(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended[id]++
}

// SetLatency has requests wait for as long before they are looked at.
func (c *Cloudreve) SetLatency(latency time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latency = latency
}

// SetOutage begins an outage or, with NoOutage, ends it.
func (c *Cloudreve) SetOutage(outage Outage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outage = outage
}

// Count returns how many requests there were with a method and path, such as "GET /api/v4/user/me", those during an outage
// included.
func (c *Cloudreve) Count(methodAndPath string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[methodAndPath]
}

// ServeHTTP serves the site.
func (c *Cloudreve) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.count[r.Method+" "+r.URL.Path]++
	latency := c.latency
	c.mu.Unlock()
	if latency > 0 {
		timer := time.NewTimer(latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	c.mu.Lock()
	outage := c.outage
	c.mu.Unlock()
	switch {
	case outage == Unreachable:
		panic(http.ErrAbortHandler)
	case outage == BadGateway:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html><head><title>502 Bad Gateway</title></head></html>")
	case outage == RedisDown && strings.HasPrefix(r.URL.Path, "/api/v4/session/token"):
		w.WriteHeader(http.StatusInternalServerError)
	default:
		_, pattern := c.mux.Handler(r)
		// Cloudreve has no status of its own for other methods, HEAD among them.
		if method, _, ok := strings.Cut(pattern, " "); pattern == "" || ok && method != r.Method {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "404 page not found")
			return
		}
		c.mux.ServeHTTP(w, r)
	}
}

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// RoundTrip has the site serve r in this process, whatever host r is for.
func (c *Cloudreve) RoundTrip(r *http.Request) (*http.Response, error) {
	served := r.Clone(r.Context())
	served.RequestURI, served.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
	if served.Host == "" {
		served.Host = r.URL.Host
	}
	switch {
	case served.Body == nil:
		served.Body = http.NoBody
	case served.Body != http.NoBody && served.ContentLength == 0:
		served.ContentLength = -1 // to a client, 0 means unknown
	}
	type outcome struct {
		response *http.Response
		err      error
	}
	done := make(chan outcome, 1)
	go func() {
		recorder := httptest.NewRecorder()
		answered := false
		defer func() {
			_ = served.Body.Close() // as a RoundTripper must
			if !answered {
				_ = recover()
				done <- outcome{err: errRefused}
				return
			}
			response := recorder.Result()
			response.Request = r
			done <- outcome{response: response}
		}()
		c.ServeHTTP(recorder, served)
		answered = true
	}()
	select {
	case o := <-done:
		if o.err == nil || r.Context().Err() == nil {
			return o.response, o.err
		}
	case <-r.Context().Done():
	}
	return nil, context.Cause(r.Context())
}

// cloudreveData answers with data in Cloudreve's envelope.
func cloudreveData(data any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, struct {
			Code int    `json:"code"`
			Data any    `json:"data"`
			Msg  string `json:"msg"`
		}{Data: data})
	})
}

func cloudreveDenial(w http.ResponseWriter, r *http.Request, code int, msg string) {
	id, ok := uuid.Canonical(r.Header.Get("X-Cr-Correlation-Id"))
	if !ok {
		id = uuid.New()
	}
	writeJSON(w, struct {
		Code          int    `json:"code"`
		Msg           string `json:"msg"`
		CorrelationID string `json:"correlation_id"`
	}{code, msg, id})
}

func writeJSON(w http.ResponseWriter, body any) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
