package backup

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/scrypt"

	"noroshi/fault"
)

// MinPassphrase is how long a passphrase must be, in bytes.
const MinPassphrase = 12

// The cost of trying a passphrase: 128 MiB and about half a second. It belongs
// to the format and is never read from an archive, which could ask for more.
const (
	scryptN = 1 << 17
	scryptR = 8
	scryptP = 1
	salted  = 16
)

// bound is what sealed keys are bound to beside the passphrase.
func bound(manifest []byte) []byte {
	sum := sha256.Sum256(manifest)
	return append([]byte("noroshi backup keys 1\n"), sum[:]...)
}

func seal(keys map[string][]byte, passphrase, manifest []byte) ([]byte, error) {
	const op = "backup.seal"
	if len(passphrase) < MinPassphrase {
		return nil, fault.New(fault.Invalid, op, "the passphrase is shorter than %d bytes", MinPassphrase)
	}
	plain, err := json.Marshal(keys)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	box := make([]byte, salted+chacha20poly1305.NonceSizeX, salted+chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	if _, err := rand.Read(box); err != nil {
		return nil, fault.Wrap(op, err)
	}
	key, err := scrypt.Key(passphrase, box[:salted], scryptN, scryptR, scryptP, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	return aead.Seal(box, box[salted:], plain, bound(manifest)), nil
}

// unseal opens keys and checks the names of what is in them.
func unseal(box, passphrase, manifest []byte) (map[string][]byte, error) {
	const op = "backup.unseal"
	if len(box) < salted+chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead {
		return nil, fault.New(fault.Invalid, op, "the sealed keys are cut off")
	}
	key, err := scrypt.Key(passphrase, box[:salted], scryptN, scryptR, scryptP, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	from := salted + chacha20poly1305.NonceSizeX
	plain, err := aead.Open(nil, box[salted:from], box[from:], bound(manifest))
	if err != nil {
		return nil, fault.As(fault.Denied, op, err, "the keys do not open: the passphrase is another one, or the archive was changed by somebody who does not know it")
	}
	var keys map[string][]byte
	if err := json.Unmarshal(plain, &keys); err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the keys cannot be read")
	}
	for name := range keys {
		if !goodName(name) {
			return nil, fault.New(fault.Invalid, op, "%q is no name of a key", name)
		}
	}
	return keys, nil
}
