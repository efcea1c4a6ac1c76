// Package identity knows who is who: the platform's certificate authority, the
// organisations, the nodes and how they join (a one-time token for a
// certificate), the people and their sessions (a one-time link; no passwords).
// What they may do, package access decides. A node's own side is identity/join.
package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Deps is what the stores of this package need.
type Deps struct {
	DB    *ledger.DB
	Now   func() time.Time
	Ident ident.Maker
}

// newSecret makes 32 random bytes in text, and the hash under which they are
// kept: the ledger never holds a secret that works.
func newSecret() (secret, hash string, err error) {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", "", fault.Wrap("identity.secret", err)
	}
	secret = hex.EncodeToString(b[:])
	return secret, hashOf(secret), nil
}

// hashOf is how a secret is looked up. Comparing hashes of 256-bit secrets in
// the database's index leaks nothing that helps to guess one.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
