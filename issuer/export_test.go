package issuer

// Len returns how many families m holds, and how many revocations with what stands for those that it forgot.
func (m *MemoryStore) Len() (families, revoked int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.families.entries), len(m.revoked.entries) + len(m.cutoffs.entries)
}

// WithNewID sets what names the families, which is random otherwise.
func WithNewID(newID func() string) Option {
	return func(c *config) { c.newID = newID }
}

// PreviousSecrets returns the previous secrets that i keeps as they are.
func PreviousSecrets(i *Issuer) [][]byte { return i.previous }
