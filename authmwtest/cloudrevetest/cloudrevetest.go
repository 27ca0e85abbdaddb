// Package cloudrevetest has a stand-in for a Cloudreve v4 site, as far as logins and tokens go, for tests of clients and
// plugins.
//
//	site, err := cloudrevetest.New(cloudrevetest.Config{})
//	httpClient := &http.Client{Transport: site}
package cloudrevetest

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
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
	"github.com/authmw/authmw/internal/cloudreve"
	"github.com/authmw/authmw/internal/denial"
	"github.com/authmw/authmw/internal/uuid"
	"github.com/authmw/authmw/issuer"
	"github.com/authmw/authmw/session"
)

// Site is a stand-in for a Cloudreve v4 site. Make one with New. It answers as Cloudreve 4.14 does, which is tested against
// the answers of a real one:
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
// and the routes that Handle adds. All other requests are 404. It accepts the tokens that package authmw accepts. Those are
// fewer than a Cloudreve accepts, but all that a Cloudreve issues.
//
// It is an http.Handler, for an [httptest.Server], and an http.RoundTripper, for a client without a network in between,
// which tests under testing/synctest need.
//
// It is safe for concurrent use, and what the Set methods change holds for the requests that come after.
type Site struct {
	config Config
	store  *issuer.MemoryStore
	mux    *http.ServeMux

	mu       sync.Mutex
	secret   string
	ttl      ttl
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

// Config describes a Site. A field that is left out has a default.
type Config struct {
	// Secret is the master key: authmwtest.Secret, unless set.
	Secret string
	// SiteID is the setting of that name, a UUID.
	SiteID string
	// Users are those of the site. Unless set, there is one, with the ID wGH0, the e-mail address admin@example.com and the
	// password Passw0rd!.
	Users []User
	// Now is the site's clock: time.Now, unless set.
	Now func() time.Time
}

// User is a user of a Site.
type User struct {
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

// Outage is a way in which a Site fails.
type Outage int

// The outages.
const (
	NoOutage    Outage = iota
	Unreachable        // connections are refused or, in a server, broken off
	BadGateway         // the proxy before it answers, with status 502 and HTML
	RedisDown          // login, refresh and logout have status 500 and no body; access tokens work on
)

// New returns a Site. The lifetimes of its tokens are those of issuer.DefaultAccessTTL and issuer.DefaultRefreshTTL. The
// error reports everything that is wrong with config at once.
func New(config Config) (*Site, error) {
	if config.Secret == "" {
		config.Secret = authmwtest.Secret
	}
	if config.SiteID == "" {
		config.SiteID = "00000000-0000-4000-8000-000000000000"
	}
	if config.Users == nil {
		config.Users = []User{{ID: "wGH0", Email: "admin@example.com", Password: "Passw0rd!", Nickname: "admin"}}
	}
	config.Users = slices.Clone(config.Users)
	if config.Now == nil {
		config.Now = time.Now
	}
	s := &Site{
		config: config, store: issuer.NewMemoryStore(), mux: http.NewServeMux(),
		logins: map[string]string{}, banned: map[string]bool{}, ended: map[string]int{}, count: map[string]int{},
	}
	err := s.sign(config.Secret, ttl{issuer.DefaultAccessTTL, issuer.DefaultRefreshTTL})
	if err := errors.Join(config.check(), err); err != nil {
		return nil, err
	}

	serveSessions := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		sessions := s.sessions
		s.mu.Unlock()
		sessions.ServeHTTP(w, r)
	})
	s.Handle("POST /api/v4/session/token", authmw.Optional, serveSessions)
	s.Handle("DELETE /api/v4/session/token", authmw.Optional, serveSessions)
	s.Handle("POST /api/v4/session/token/2fa", authmw.Optional, serveSessions)
	s.Handle("POST /api/v4/session/token/refresh", authmw.Optional, serveSessions, "offline_access")
	s.Handle("GET /api/v4/session/oauth/userinfo", authmw.Required, http.HandlerFunc(s.serveUserinfo))
	s.Handle("GET /api/v4/site/ping", authmw.Optional, data("4.14.0"))
	s.Handle("GET /api/v4/site/config/basic", authmw.Optional, data(map[string]string{"instance_id": config.SiteID}))
	s.Handle("GET /api/v4/user/me", authmw.Required, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := authmw.FromContext(r.Context())
		data(s.user(claims.Subject).profile()).ServeHTTP(w, r)
	}), "UserInfo.Read")
	return s, nil
}

// check returns what is wrong with the users.
func (c Config) check() error {
	var errs []error
	ids, emails := map[string]bool{}, map[string]bool{}
	for i, user := range c.Users {
		email := strings.ToLower(user.Email)
		switch {
		case user.ID == "" || strings.Trim(user.ID, idCharacters) != "":
			errs = append(errs, fmt.Errorf("cloudrevetest: user %d has the ID %q, which no Cloudreve gives", i+1, user.ID))
		case ids[user.ID]:
			errs = append(errs, fmt.Errorf("cloudrevetest: two users have the ID %s", user.ID))
		case email != "" && emails[email]:
			errs = append(errs, fmt.Errorf("cloudrevetest: two users have the e-mail address %s", user.Email))
		}
		ids[user.ID], emails[email] = true, true
	}
	return errors.Join(errs...)
}

// idCharacters are those of Cloudreve's IDs.
const idCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890"

type ttl struct{ access, refresh time.Duration }

// sign has the site sign with a secret from now on, and for a time. On failure, nothing changes.
func (s *Site) sign(secret string, ttl ttl) error {
	i, err := issuer.NewCloudreveCompatible([]byte(secret), s.store, issuer.WithClock(s.config.Now),
		issuer.WithTTL(ttl.access, ttl.refresh), issuer.WithStateHash(s.state))
	if err != nil {
		return fmt.Errorf("cloudrevetest: %w", err)
	}
	verifier, err := authmw.New([]byte(secret), authmw.WithClock(s.config.Now), authmw.WithLenientOptional())
	if err != nil {
		return fmt.Errorf("cloudrevetest: %w", err)
	}
	sessions, err := session.New(i, s.login, session.WithSecondFactor(s.secondFactor))
	if err != nil {
		return fmt.Errorf("cloudrevetest: %w", err)
	}
	s.secret, s.ttl, s.issuer, s.verifier, s.sessions = secret, ttl, i, verifier, sessions
	return nil
}

// Handle adds a route to the site: a pattern of http.ServeMux, what Cloudreve calls its authentication, and the scopes that
// it asks of OAuth clients. The handler finds the claims with authmw.FromContext. As in Cloudreve, a token that does not
// verify counts as none, and one of a wrong type or for no active user is an error even on routes that need none.
func (s *Site) Handle(pattern string, mode authmw.Mode, handler http.Handler, scopes ...string) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		claims, code, msg := s.currentUser(r)
		if code != 0 {
			deny(w, r, code, msg)
			return
		}
		w.Header().Set("Cache-Control", "private, no-cache")
		if claims == nil && mode == authmw.Required {
			deny(w, r, cloudreve.CodeLoginRequired, cloudreve.MsgLoginRequired)
			return
		}
		for _, scope := range scopes {
			// To Cloudreve, scopes without a client_id mean nothing.
			if claims != nil && claims.ClientID != "" && !claims.HasScope(scope) {
				deny(w, r, cloudreve.CodeInsufficientScope, "Insufficient scope: "+scope)
				return
			}
		}
		handler.ServeHTTP(w, r.WithContext(authmw.NewContext(r.Context(), claims)))
	})
}

// currentUser returns who sent r, nil for nobody, or what is answered to r on whatever route.
func (s *Site) currentUser(r *http.Request) (claims *authmw.Claims, code int, msg string) {
	s.mu.Lock()
	verifier := s.verifier
	s.mu.Unlock()
	claims, err := verifier.Check(r, authmw.Optional)
	switch {
	case errors.Is(err, authmw.ErrWrongTokenType):
		return nil, cloudreve.CodeCredentialInvalid, "Invalid token type"
	case errors.Is(err, authmw.ErrInvalidClaims): // WithLenientOptional denies only those without a subject
		return nil, cloudreve.CodeNotFound, "User not found"
	case err != nil || claims == nil:
		return nil, 0, ""
	}
	user := s.user(claims.Subject)
	if strings.Trim(claims.Subject, idCharacters) != "" {
		return nil, cloudreve.CodeNotFound, "User not found"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if user == nil || s.banned[user.ID] {
		return nil, cloudreve.CodeDBError, "failed to get login user"
	}
	return claims, 0, ""
}

func (s *Site) user(id string) *User {
	for i := range s.config.Users {
		if s.config.Users[i].ID == id {
			return &s.config.Users[i]
		}
	}
	return nil
}

func (u *User) profile() any {
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

func (s *Site) serveUserinfo(w http.ResponseWriter, r *http.Request) {
	claims, _ := authmw.FromContext(r.Context())
	// Cloudreve leaves out what an OAuth client was not granted. A token without a client_id gets everything.
	granted := map[string]bool{}
	for _, scope := range claims.Scopes {
		granted[scope] = true
	}
	own := claims.ClientID == ""
	if !own && !granted["openid"] {
		deny(w, r, cloudreve.CodeForbidden, "openid scope required")
		return
	}
	user := s.user(claims.Subject)
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
func (s *Site) login(_ context.Context, email, password string) (session.User, error) {
	for i := range s.config.Users {
		user := &s.config.Users[i]
		if !strings.EqualFold(user.Email, email) || user.Password != password {
			continue
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.banned[user.ID]:
			return session.User{}, session.ErrBlocked
		case user.OTP != "":
			id := uuid.New()
			s.logins[id] = user.ID
			return session.User{}, &session.SecondFactorRequiredError{SessionID: id}
		}
		return session.User{Identity: issuer.Identity{Subject: user.ID}, Profile: user.profile()}, nil
	}
	return session.User{}, session.ErrInvalidCredentials
}

// secondFactor is the session.SecondFactorFunc.
func (s *Site) secondFactor(_ context.Context, sessionID, otp string) (session.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user := s.user(s.logins[sessionID])
	switch {
	case user == nil:
		return session.User{}, session.ErrUnknownLogin
	case user.OTP != otp:
		return session.User{}, session.ErrInvalidOTP
	}
	delete(s.logins, sessionID)
	return session.User{Identity: issuer.Identity{Subject: user.ID}, Profile: user.profile()}, nil
}

// state is the state_hash of a user's refresh tokens.
func (s *Site) state(_ context.Context, identity issuer.Identity) ([]byte, error) {
	user := s.user(identity.Subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	if user == nil || s.banned[user.ID] {
		return nil, issuer.ErrInvalidGrant
	}
	stored := user.Stored
	if stored == "" {
		stored = user.Password
	}
	if n := s.ended[user.ID]; n > 0 {
		stored = fmt.Sprint(stored, " changed ", n)
	}
	return issuer.CloudreveStateHash(user.Email, stored, s.config.SiteID), nil
}

// Issue returns tokens as a login does or, if the identity has a ClientID, as the grant of an OAuth client does. The errors
// are those of [issuer.Issuer.Issue].
func (s *Site) Issue(identity issuer.Identity) (issuer.Pair, error) {
	s.mu.Lock()
	i := s.issuer
	s.mu.Unlock()
	return i.Issue(context.Background(), identity)
}

// IssueWithoutClientID returns tokens as Cloudreve 4.12.0 to 4.16.0 issued them to OAuth clients (CVE-2026-54560): the
// access token has scopes and no client_id. The site takes it for a user's own login; a server with package authmw must
// not. The refresh token and the errors are as from Issue.
func (s *Site) IssueWithoutClientID(identity issuer.Identity) (issuer.Pair, error) {
	pair, err := s.Issue(identity)
	if err != nil {
		return issuer.Pair{}, err
	}
	s.mu.Lock()
	secret := []byte(s.secret)
	s.mu.Unlock()
	header, rest, _ := strings.Cut(pair.AccessToken, ".")
	segment, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return issuer.Pair{}, err
	}
	payload, _, _ = bytes.Cut(payload, []byte(`,"client_id":`)) // which is the last member
	input := header + "." + base64.RawURLEncoding.EncodeToString(append(bytes.TrimSuffix(payload, []byte("}")), '}'))
	signature, err := jwt.SigningMethodHS256.Sign(input, secret)
	if err != nil {
		return issuer.Pair{}, err
	}
	pair.AccessToken = input + "." + base64.RawURLEncoding.EncodeToString(signature)
	return pair, nil
}

// SetTTL sets for how long tokens that are issued from now on are valid. Each must be between a second and ten years.
func (s *Site) SetTTL(access, refresh time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sign(s.secret, ttl{access, refresh})
}

// SetSecret replaces the master key, as after a restart: no token that was issued before works any more. The secret must
// have authmw.MinSecretSize bytes or more.
func (s *Site) SetSecret(secret string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sign(secret, s.ttl)
}

// SetBanned bans the user with this ID, or lifts the ban.
func (s *Site) SetBanned(id string, banned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.banned[id] = banned
}

// EndLogins ends all logins of the user with this ID, as a changed password does: refresh tokens no longer work, access
// tokens do until they expire.
func (s *Site) EndLogins(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[id]++
}

// SetLatency has requests wait for as long before they are looked at.
func (s *Site) SetLatency(latency time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = latency
}

// SetOutage begins an outage or, with NoOutage, ends it.
func (s *Site) SetOutage(outage Outage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outage = outage
}

// Count returns how many requests there were with a method and path, such as "GET /api/v4/user/me", those during an outage
// included.
func (s *Site) Count(methodAndPath string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[methodAndPath]
}

// ServeHTTP serves the site.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.count[r.Method+" "+r.URL.Path]++
	latency := s.latency
	s.mu.Unlock()
	if latency > 0 {
		timer := time.NewTimer(latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	s.mu.Lock()
	outage := s.outage
	s.mu.Unlock()
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
		_, pattern := s.mux.Handler(r)
		// Cloudreve has no status of its own for other methods, HEAD among them.
		if method, _, ok := strings.Cut(pattern, " "); pattern == "" || ok && method != r.Method {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "404 page not found")
			return
		}
		s.mux.ServeHTTP(w, r)
	}
}

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// RoundTrip has the site serve r in this process, whatever host r is for.
func (s *Site) RoundTrip(r *http.Request) (*http.Response, error) {
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
		s.ServeHTTP(recorder, served)
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

// data answers with data in Cloudreve's envelope.
func data(data any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, cloudreve.Data{Data: data}) })
}

func deny(w http.ResponseWriter, r *http.Request, code int, msg string) {
	writeJSON(w, cloudreve.Denial{Code: code, Msg: msg, CorrelationID: cloudreve.CorrelationID(r)})
}

func writeJSON(w http.ResponseWriter, body any) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", denial.EnvelopeType)
	_, _ = w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
