package affected

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"noroshi/analyse/feed"
	"noroshi/fault"
)

// The limits of a file of advisories.
const (
	maxEntries = 3_000_000
	maxEntry   = 16 << 20
	maxTotal   = 16 << 30 // unpacked; all ecosystems of osv.dev have about 3 GiB
)

// Report is what became of the entries of a file.
type Report struct {
	File       string         `json:"file"`
	Advisories int            `json:"advisories"`
	Withdrawn  int            `json:"withdrawn"`
	Unusable   int            `json:"unusable"` // of other ecosystems, or of commits only
	Foreign    map[string]int `json:"other_ecosystems,omitempty"`
	feed.Problems
	names []string
}

// Contents is what feed.Believe compares with the last file.
func (r *Report) Contents() feed.Contents { return feed.Summary(r.names) }

func (r *Report) foreign(ecosystem string) {
	family, _, _ := strings.Cut(ecosystem, ":")
	if r.Foreign == nil {
		r.Foreign = map[string]int{}
	}
	if len(r.Foreign) < 100 || r.Foreign[family] > 0 {
		r.Foreign[clip(family)]++
	}
}

// Load reads a file of advisories: a zip file, or one advisory in a .json.
func (a *Advisories) Load(name string) (Report, error) {
	if path.Ext(name) != ".json" {
		return a.LoadZip(name)
	}
	r := Report{File: name}
	f, err := os.Open(name)
	if err != nil {
		return r, fault.As(fault.NotFound, "affected.load", err, "%v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	b, err := io.ReadAll(io.LimitReader(f, maxEntry+1))
	if err != nil {
		return r, fault.As(fault.Invalid, "affected.load", err, "%v", err)
	}
	if len(b) > maxEntry {
		return r, fault.New(fault.TooLarge, "affected.load", "it is larger than %d MiB", maxEntry>>20).At("%s", name)
	}
	if err := a.AddJSON(b, &r); err != nil {
		return r, fault.As(fault.KindOf(err), "affected.load", err, "%s", fault.PublicOf(err)).At("%s", name)
	}
	return r, nil
}

// LoadZip reads the advisories of a zip file: every .json in the OSV schema, as
// osv.dev publishes them, or in CSAF, and every .yaml, as PyPA does. A single entry that is
// broken is told in the report and hides none of the others.
func (a *Advisories) LoadZip(name string) (Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return Report{File: name}, fault.As(fault.Invalid, "affected.load", err, "it cannot be read: %v", err).At("%s", name)
	}
	defer func() { _ = f.Close() }() // It was only read.
	info, err := f.Stat()
	if err != nil {
		return Report{File: name}, fault.As(fault.Invalid, "affected.load", err, "it cannot be read: %v", err).At("%s", name)
	}
	return a.ReadZip(name, f, info.Size())
}

// ReadZip is LoadZip of what is kept elsewhere than in a file.
func (a *Advisories) ReadZip(name string, from io.ReaderAt, size int64) (Report, error) {
	r := Report{File: name}
	z, err := zip.NewReader(from, size)
	if err != nil {
		return r, fault.As(fault.Invalid, "affected.load", err, "it cannot be read as a zip file: %v", err).At("%s", name)
	}
	if len(z.File) > maxEntries {
		return r, fault.New(fault.TooLarge, "affected.load", "it has more than %d entries", maxEntries).At("%s", name)
	}
	var total int64
	var buf bytes.Buffer
	others := map[string]int{}
	for _, f := range z.File {
		ext := path.Ext(f.Name)
		if f.FileInfo().IsDir() {
			continue
		}
		if ext != ".json" && ext != ".yaml" {
			others[ext]++
			continue
		}
		err := unpack(f, &buf)
		if total += int64(buf.Len()); total > maxTotal {
			return r, fault.New(fault.TooLarge, "affected.load", "unpacked it is larger than %d GiB", maxTotal>>30).At("%s", name)
		}
		if err == nil {
			err = a.entry(ext, buf.Bytes(), &r)
		}
		if err != nil {
			r.Refuse(f.Name, err)
		}
	}
	if r.Advisories+r.Withdrawn+r.Unusable == 0 {
		return r, fault.New(fault.Invalid, "affected.load", "there is no advisory in OSV or CSAF in it%s; osv.dev offers all.zip for each ecosystem", told(others)).At("%s", name)
	}
	return r, nil
}

// told says what else is in a file.
func told(others map[string]int) string {
	most := ""
	for ext, n := range others {
		if most == "" || n > others[most] || n == others[most] && ext < most {
			most = ext
		}
	}
	if most == "" {
		return ""
	}
	return fmt.Sprintf(" (%d entries are %s)", others[most], most)
}

// unpack reads an entry, whatever size it claims to have.
func unpack(f *zip.File, buf *bytes.Buffer) error {
	buf.Reset()
	in, err := f.Open()
	if err != nil {
		return fault.As(fault.Invalid, "affected.load", err, "it cannot be unpacked: %v", err)
	}
	defer func() { _ = in.Close() }() // It was only read.
	n, err := io.Copy(buf, io.LimitReader(in, maxEntry+1))
	if err != nil {
		return fault.As(fault.Invalid, "affected.load", err, "it cannot be unpacked: %v", err)
	}
	if n > maxEntry {
		return fault.New(fault.TooLarge, "affected.load", "unpacked it is larger than %d MiB", maxEntry>>20)
	}
	return nil
}

// entry reads one advisory.
func (a *Advisories) entry(ext string, b []byte, r *Report) error {
	var x osv
	var err error
	if ext == ".yaml" {
		err = readYAML(b, &x)
	} else {
		err = json.Unmarshal(b, &x)
	}
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) {
			return err
		}
		return fault.As(fault.Invalid, "affected.load", err, "%v", err)
	}
	if x.ID == "" && ext == ".json" && bytes.Contains(b, []byte(`"csaf_version"`)) {
		return a.takeCSAF(b, r)
	}
	return a.take(&x, r)
}
