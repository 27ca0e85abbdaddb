package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw"
	"github.com/authmw/authmw/authmwtest"
)

func TestCookieAndEnvelope(t *testing.T) {
	gin.SetMode(gin.TestMode)
	engine, err := newEngine([]byte(authmwtest.Secret))
	require.NoError(t, err)
	get := func(change func(*http.Request)) string {
		r := httptest.NewRequest(http.MethodGet, "/api/me", nil)
		change(r)
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		return w.Body.String()
	}
	token := authmwtest.Mint(t, []byte(authmwtest.Secret), authmw.Claims{Subject: "wGH0"})
	cookie := &http.Cookie{Name: "access_token", Value: token}

	require.JSONEq(t, `{"code":0,"data":{"id":"wGH0"},"msg":""}`, get(func(r *http.Request) { r.AddCookie(cookie) }))
	require.JSONEq(t, `{"code":401,"msg":"Login required"}`, get(func(*http.Request) {}))
	require.JSONEq(t, `{"code":40001,"msg":"Parameter error"}`, get(func(r *http.Request) {
		r.AddCookie(cookie)
		r.Header.Set("Authorization", "Bearer "+token)
	}))
}
