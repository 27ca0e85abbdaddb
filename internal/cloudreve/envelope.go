package cloudreve

import (
	"net/http"

	"github.com/authmw/authmw/internal/uuid"
)

// Data is Cloudreve's answer to a request that succeeds.
type Data struct {
	Code int    `json:"code"` // 0
	Data any    `json:"data"`
	Msg  string `json:"msg"` // empty
}

// Denial is its answer to any other.
type Denial struct {
	Code          int    `json:"code"`
	Data          string `json:"data,omitempty"`
	Msg           string `json:"msg"`
	CorrelationID string `json:"correlation_id,omitempty"`
}

// CorrelationID returns the ID that Cloudreve puts into its answer to r: the one that r has, or a new one.
func CorrelationID(r *http.Request) string {
	id, ok := uuid.Canonical(r.Header.Get("X-Cr-Correlation-Id"))
	if !ok {
		id = uuid.New()
	}
	return id
}
