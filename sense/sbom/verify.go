package sbom

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"noroshi/fault"
)

// Verified is how the files of a folder compare with what a bill of materials says
// of them.
type Verified struct {
	Same   int     `json:"same"`
	Wrong  []Wrong `json:"wrong"`  // their content is another
	Absent []Wrong `json:"absent"` // there is no such file
	Open   []Wrong `json:"open"`   // they could not be compared
}

// Wrong is one file that is not as the bill says, and where the bill says so.
type Wrong struct {
	Path  string `json:"path"`
	Place string `json:"place"`
	Says  string `json:"says,omitempty"`
	Is    string `json:"is,omitempty"`
	Why   string `json:"why,omitempty"`
}

// hashers are the algorithms that are computed, the weakest first. A file is
// compared by the strongest that its entry has: another file with the same MD5 or
// SHA-1 can be made.
var hashers = []struct {
	name string
	make func() hash.Hash
}{
	{"MD5", md5.New}, {"SHA1", sha1.New}, {"SHA224", sha256.New224}, {"SHA3256", func() hash.Hash { return sha3.New256() }}, {"SHA256", sha256.New},
	{"SHA3384", func() hash.Hash { return sha3.New384() }}, {"SHA384", sha512.New384}, {"SHA3512", func() hash.Hash { return sha3.New512() }}, {"SHA512", sha512.New},
}

// Verify compares files with what a bill of materials says of them. It reads
// regular files inside the folder only, whatever the paths say.
func Verify(files []File, dir string) (v Verified, err error) {
	v = Verified{Wrong: []Wrong{}, Absent: []Wrong{}, Open: []Wrong{}}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return v, fault.As(fault.NotFound, "sbom.verify", err, "%v", err)
	}
	defer func() { _ = root.Close() }() // It was only read.
	for _, f := range files {
		v.compare(root, f)
	}
	return v, nil
}

func (v *Verified) compare(root *os.Root, f File) {
	w := Wrong{Path: f.Path, Place: f.Place}
	by, says := Hash{}, (func() hash.Hash)(nil)
	for _, x := range hashers {
		for _, h := range f.Hashes {
			if algorithm(h.Alg) == x.name {
				by, says = h, x.make
			}
		}
	}
	if says == nil {
		w.Why = "no algorithm of its hashes is computed"
		v.Open = append(v.Open, w)
		return
	}
	want := strings.ToLower(strings.TrimSpace(by.Content))
	w.Says = by.Alg + ":" + want
	switch is, err := digest(root, f.Path, says()); {
	case errors.Is(err, fs.ErrNotExist):
		v.Absent = append(v.Absent, w)
	case err != nil:
		w.Why = err.Error()
		v.Open = append(v.Open, w)
	case is != want:
		w.Is = by.Alg + ":" + is
		v.Wrong = append(v.Wrong, w)
	default:
		v.Same++
	}
}

// digest is the hash of a file, whose path in a bill begins at the folder.
func digest(root *os.Root, name string, h hash.Hash) (string, error) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	info, err := root.Stat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is no regular file")
	}
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // It was only read.
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}
