package session_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/authmw/authmw/session"
)

// TestAnswers has each answer in both styles.
func TestAnswers(t *testing.T) {
	of := func(email, password string) string {
		return fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)
	}
	for _, row := range []struct {
		name, method, path, body string
		header                   []string
		cloudreve                string // with HTTP status 200, unless there is another in front
		status                   int
		plain                    string
	}{
		{"wrong password", "POST", "/token", of("a@example.com", "wrong"), nil, `{"code":40080,"msg":"Incorrect password or email address","correlation_id":"ID"}`,
			401, `{"title":"Unauthorized","status":401,"detail":"Wrong e-mail address or password.","code":"invalid_credentials"}`},
		{"unknown user", "POST", "/token", of("nobody@example.com", "wrong"), nil, `{"code":40080,"msg":"Incorrect password or email address","correlation_id":"ID"}`,
			401, `{"title":"Unauthorized","status":401,"detail":"Wrong e-mail address or password.","code":"invalid_credentials"}`},
		{"blocked", "POST", "/token", of("blocked@example.com", "Passw0rd!"), nil, `{"code":40017,"msg":"This account has been blocked","correlation_id":"ID"}`,
			403, `{"title":"Forbidden","status":403,"detail":"This account is blocked.","code":"blocked"}`},
		{"not activated", "POST", "/token", of("inactive@example.com", "Passw0rd!"), nil, `{"code":40018,"msg":"This account is not activated","correlation_id":"ID"}`,
			403, `{"title":"Forbidden","status":403,"detail":"This account is not activated.","code":"not_activated"}`},
		{"second factor", "POST", "/token", of("careful@example.com", "Passw0rd!"), nil, `{"code":203,"data":"the login","msg":""}`,
			401, `{"title":"Unauthorized","status":401,"detail":"A second factor is required.","code":"second_factor_required","session_id":"the login"}`},
		{"wrong one-time password", "POST", "/token/2fa", `{"otp":"1","session_id":"the login"}`, nil, `{"code":40022,"msg":"Incorrect 2FA code","correlation_id":"ID"}`,
			401, `{"title":"Unauthorized","status":401,"detail":"Wrong one-time password.","code":"invalid_otp"}`},
		{"unknown login", "POST", "/token/2fa", `{"otp":"123456","session_id":"x"}`, nil, `{"code":404,"msg":"Session not found","correlation_id":"ID"}`,
			404, `{"title":"Not Found","status":404,"detail":"No login waits for this second factor.","code":"unknown_login"}`},
		{"no one-time password", "POST", "/token/2fa", `{"session_id":"x"}`, nil, `{"code":40001,"msg":"OTP cannot be empty"}`,
			400, `{"title":"Bad Request","status":400,"detail":"OTP cannot be empty","code":"invalid_request"}`},
		{"user database down", "POST", "/token", of("down@example.com", "Passw0rd!"), nil, `503 {"code":50001,"msg":"Sessions cannot be handled at the moment","correlation_id":"ID"}`,
			503, `{"title":"Service Unavailable","status":503,"detail":"Sessions cannot be handled at the moment.","code":"unavailable"}`},
		{"profile that is no JSON", "POST", "/token", of("odd@example.com", "Passw0rd!"), nil, `500 {"code":50001,"msg":"Internal error","correlation_id":"ID"}`,
			500, `{"title":"Internal Server Error","status":500,"detail":"The server made a mistake.","code":"server_error"}`},
		{"question without a login", "POST", "/token", of("nil@example.com", "Passw0rd!"), nil, `500 {"code":50001,"msg":"Internal error","correlation_id":"ID"}`,
			500, `{"title":"Internal Server Error","status":500,"detail":"The server made a mistake.","code":"server_error"}`},
		{"user without a subject", "POST", "/token", of("nobody@example.org", "Passw0rd!"), nil, `500 {"code":50001,"msg":"Internal error","correlation_id":"ID"}`,
			500, `{"title":"Internal Server Error","status":500,"detail":"The server made a mistake.","code":"server_error"}`},
		{"user whom the state function refuses", "POST", "/token", of("banned@example.com", "Passw0rd!"), nil, `{"code":40017,"msg":"This account has been blocked","correlation_id":"ID"}`,
			403, `{"title":"Forbidden","status":403,"detail":"This account is blocked.","code":"blocked"}`},
		{"refresh with garbage", "POST", "/token/refresh", `{"refresh_token":"garbage"}`, nil, `{"code":40020,"msg":"Failed to issue token pair","correlation_id":"ID"}`,
			400, `{"title":"Bad Request","status":400,"detail":"The refresh token is not accepted.","code":"invalid_grant"}`},
		{"logout with garbage", "DELETE", "/token", `{"refresh_token":"garbage"}`, nil, `{"code":40020,"msg":"Failed to parse token","correlation_id":"ID"}`,
			400, `{"title":"Bad Request","status":400,"detail":"The refresh token is not accepted.","code":"invalid_grant"}`},
		{"a correlation ID of the client's", "DELETE", "/token", `{"refresh_token":"garbage"}`, []string{"X-Cr-Correlation-Id", id},
			`{"code":40020,"msg":"Failed to parse token","correlation_id":"` + id + `"}`, 400, `{"title":"Bad Request","status":400,"detail":"The refresh token is not accepted.","code":"invalid_grant"}`},
		{"a correlation ID that is none", "DELETE", "/token", `{"refresh_token":"garbage"}`, []string{"X-Cr-Correlation-Id", "<script>"},
			`{"code":40020,"msg":"Failed to parse token","correlation_id":"ID"}`, 400, `{"title":"Bad Request","status":400,"detail":"The refresh token is not accepted.","code":"invalid_grant"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			wantStatus, want := http.StatusOK, row.cloudreve
			if rest, found := strings.CutPrefix(want, fmt.Sprint(row.status)+" "); found {
				wantStatus, want = row.status, rest
			}
			w := newService(t).send(row.method, row.path, row.body, row.header...)
			require.Equal(t, wantStatus, w.Code)
			random := regexp.MustCompile(`"correlation_id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`)
			got := w.Body.String()
			if strings.Contains(want, `"ID"`) {
				got = random.ReplaceAllString(got, `"correlation_id":"ID"`)
			}
			require.Equal(t, want, got)
			cacheControl := "private, no-cache"
			if row.name == "second factor" {
				cacheControl += ", no-store" // the answer has what the login can be finished with
			}
			require.Equal(t, cacheControl, w.Header().Get("Cache-Control"))
			require.Equal(t, wantStatus == 503, w.Header().Get("Retry-After") != "")

			w = newService(t, session.WithPlainStyle()).send(row.method, row.path, row.body, row.header...)
			require.Equal(t, row.status, w.Code)
			require.Equal(t, row.plain+"\n", w.Body.String())
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Equal(t, row.status == 503, w.Header().Get("Retry-After") != "")
			require.Equal(t, row.status == 401, w.Header().Get("WWW-Authenticate") != "")
		})
	}
}
