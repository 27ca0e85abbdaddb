package authmw

// PlainKeys makes keys verify tokens without the short cuts for those that Cloudreve issues.
func PlainKeys(keys *Keys) *Keys {
	keys.verifier.Plain = true
	return keys
}

// PreviousSecrets returns the previous secrets that v keeps as they are.
func PreviousSecrets(v *Validator) [][]byte { return v.previous }
