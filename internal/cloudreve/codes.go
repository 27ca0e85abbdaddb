package cloudreve

// The codes in Cloudreve's answers that mean something here (https://github.com/cloudreve/cloudreve:
// pkg/serializer/error.go).
const (
	CodeSecondFactor      = 203
	CodeLoginRequired     = 401 // no token, or one that is not accepted
	CodeForbidden         = 403
	CodeNotFound          = 404 // for a token: sub is no user's ID
	CodeParameter         = 40001
	CodeUserBanned        = 40017
	CodeUserNotActivated  = 40018
	CodeCredentialInvalid = 40020 // a refresh token that does not work, or a token of the wrong type
	CodeOTP               = 40022
	CodeCaptcha           = 40026
	CodeInvalidPassword   = 40080
	CodeInsufficientScope = 40089
	CodeServerError       = 50000 // this and all above
	CodeDBError           = 50001 // for a token: there is no such user, or not an active one
)

// MsgLoginRequired goes with CodeLoginRequired.
const MsgLoginRequired = "Login required"
