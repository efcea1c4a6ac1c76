package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"noroshi/backup"
	"noroshi/fault"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var phrase = []byte("a beacon on every hill")

// queue is a bus whose order of being held and copied is remembered.
type queue struct {
	order  *[]string
	stream string
	onHold func()
}

func (q queue) Hold() func() {
	*q.order = append(*q.order, "held")
	if q.onHold != nil {
		q.onHold()
	}
	return func() { *q.order = append(*q.order, "let go") }
}

func (q queue) Copy(_ context.Context, write func(string, func(io.Writer) error) error) error {
	*q.order = append(*q.order, "copied")
	return write("OBS", func(w io.Writer) error { _, err := io.WriteString(w, q.stream); return err })
}

// store is a folder of events.
type store struct {
	order *[]string
	dir   string
}

func (s store) Snapshot(context.Context) (string, func() error, error) {
	*s.order = append(*s.order, "snapshot")
	return s.dir, func() error { *s.order = append(*s.order, "dropped"); return nil }, nil
}

// source is a small hub with one file of events that has several parts.
func source(t testing.TB, db *ledger.DB) (backup.Source, *[]string) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "partitions", "20261125"), 0o700))
	large := make([]byte, 9<<20)
	for i := range large {
		large[i] = byte(i >> 12)
	}
	must(t, os.WriteFile(filepath.Join(dir, "partitions", "20261125", "values.bin"), large, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "partitions", "20261125", "empty.bin"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "partitions", "20261125", "part.bin"), large[:4<<20], 0o600)) // exactly one part
	must(t, db.Write(t.Context(), "t", func(tx *ledger.Tx) error {
		for i := range 3 {
			if err := tx.Record(t.Context(), "thing", "thg_1", "org_1", "made", fmt.Sprint("狼煙 ", i)); err != nil {
				return err
			}
		}
		return nil
	}))
	order := new([]string)
	return backup.Source{Program: "test", Now: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC), Ledger: db, Bus: queue{order, "line 1\nline 2\n", nil}, Events: store{order, dir},
		Keys: map[string][]byte{"identity/ca.key": []byte("secret"), "nodes/a-sensor/identity/node.key": []byte("secret 2")}}, order
}

func archive(t testing.TB, s backup.Source) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, backup.Make(t.Context(), &b, s))
	return b.Bytes()
}

// TestPartsAreCopiedInTheOrderThatLosesNothing holds what the package's doc
// reasons out: the bus is held before the ledger's and the events' moment, and
// copied after them.
func TestPartsAreCopiedInTheOrderThatLosesNothing(t *testing.T) {
	db := ledgertest.SQLite(t)
	s, order := source(t, db)
	q := s.Bus.(queue)
	// What the bus forgot just before it was held is in the ledger's copy.
	q.onHold = func() {
		must(t, db.Write(t.Context(), "t", func(tx *ledger.Tx) error {
			return tx.Record(t.Context(), "thing", "thg_1", "", "at the last moment", nil)
		}))
	}
	s.Bus = q
	_, m, err := backup.Verify(t.Context(), bytes.NewReader(archive(t, s)), nil)
	must(t, err)
	if m.Rows["history"] != 4 {
		t.Errorf("the ledger's moment began before the bus was held: %d rows", m.Rows["history"])
	}
	if got := strings.Join(*order, ", "); got != "held, snapshot, copied, let go, dropped" {
		t.Errorf("the order was: %s", got)
	}
}

func TestBackupBecomesTheSameHub(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		sealed := strings.HasPrefix(url, "sqlite:") // One engine each: sealing is dear on purpose.
		s, _ := source(t, ledgertest.SQLite(t))
		if sealed {
			s.Passphrase = phrase
		}
		b := archive(t, s)
		if bytes.Contains(plain(t, b), []byte("secret")) == sealed {
			t.Errorf("keys in the clear: %v", !sealed)
		}
		h, m, err := backup.Verify(t.Context(), bytes.NewReader(b), s.Passphrase)
		must(t, err)
		if !h.Has(backup.Ledger) || !h.Has(backup.Bus) || !h.Has(backup.Events) || !h.Has(backup.Keys) || h.Sealed != sealed || m.Rows["history"] != 3 {
			t.Errorf("the backup says of itself %+v, %+v", h, m)
		}
		dir, streams := t.TempDir(), map[string]string{}
		must(t, backup.Restore(t.Context(), bytes.NewReader(b), backup.Target{Dir: dir, Ledger: url, Passphrase: s.Passphrase,
			Bus: func(_ context.Context, name string, r io.Reader) error {
				b, err := io.ReadAll(r)
				streams[name] = string(b)
				return err
			}}))
		if !maps.Equal(streams, map[string]string{"OBS": "line 1\nline 2\n"}) {
			t.Errorf("the bus got %q", streams)
		}
		from := s.Events.(store).dir
		for restored, original := range map[string]string{"events/partitions/20261125/values.bin": "", "events/partitions/20261125/empty.bin": "",
			"events/partitions/20261125/part.bin": "", "identity/ca.key": "secret", "nodes/a-sensor/identity/node.key": "secret 2"} {
			got, err := os.ReadFile(filepath.Join(dir, restored))
			must(t, err)
			if original == "" {
				b, err := os.ReadFile(filepath.Join(from, strings.TrimPrefix(restored, "events/")))
				must(t, err)
				original = string(b)
			}
			if string(got) != original {
				t.Errorf("%s has %d bytes instead of %d", restored, len(got), len(original))
			}
			st, err := os.Stat(filepath.Join(dir, restored))
			must(t, err)
			if st.Mode().Perm() != 0o600 {
				t.Errorf("%s has the rights %s", restored, st.Mode())
			}
		}
		db, err := ledger.Open(t.Context(), url)
		must(t, err)
		defer func() { must(t, db.Close()) }()
		hist, err := db.History(t.Context(), "thg_1")
		must(t, err)
		if len(hist) != 3 {
			t.Errorf("the history has %d lines", len(hist))
		}
	})
}

// plain is what is inside the compression.
func plain(t testing.TB, b []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(nil)
	must(t, err)
	defer d.Close()
	out, err := d.DecodeAll(b, nil)
	must(t, err)
	return out
}

func packed(t testing.TB, b []byte) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	must(t, err)
	return e.EncodeAll(b, nil)
}

// entry is one of a tar.
type entry struct {
	head tar.Header
	body []byte
}

func entries(t testing.TB, b []byte) (list []entry) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(plain(t, b)))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		must(t, err)
		body, err := io.ReadAll(r)
		must(t, err)
		list = append(list, entry{*h, body})
	}
}

func join(t testing.TB, list []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range list {
		e.head.Size = int64(len(e.body))
		must(t, w.WriteHeader(&e.head))
		if e.head.Typeflag == tar.TypeReg {
			_, err := w.Write(e.body)
			must(t, err)
		}
	}
	must(t, w.Close())
	return packed(t, b.Bytes())
}

// small is a hub without events.
func small(t testing.TB, passphrase []byte) []byte {
	t.Helper()
	s, _ := source(t, ledgertest.SQLite(t))
	s.Events, s.Passphrase = nil, passphrase
	return archive(t, s)
}

func verify(t testing.TB, b, passphrase []byte) error {
	t.Helper()
	_, _, err := backup.Verify(t.Context(), bytes.NewReader(b), passphrase)
	return err
}

func TestBackupThatIsTornAnywhereIsRefused(t *testing.T) {
	b := small(t, nil)
	for n := range len(b) {
		if n%17 == 0 || n > len(b)-40 {
			if err := verify(t, b[:n], nil); fault.KindOf(err) != fault.Invalid {
				t.Fatalf("cut off after %d of %d bytes: %v", n, len(b), err)
			}
		}
	}
	whole := plain(t, b)
	for n := 512; n < len(whole)-1024; n += 512 {
		if err := verify(t, packed(t, whole[:n]), nil); fault.KindOf(err) != fault.Invalid {
			t.Fatalf("the tar cut off after %d of %d bytes: %v", n, len(whole), err)
		}
	}
	must(t, verify(t, b, nil))
}

func TestHostileBackupsAreRefused(t *testing.T) {
	good := entries(t, small(t, nil))
	last := len(good) - 1
	insert := func(h tar.Header, body string) []entry {
		return append(append(append([]entry{}, good[:last]...), entry{h, []byte(body)}), good[last])
	}
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600} }
	cases := map[string][]entry{
		"above the folder":     insert(file("events/../../etc/passwd"), "x"),
		"absolute":             insert(file("/etc/passwd"), "x"),
		"hidden":               insert(file("events/.ssh/authorized_keys"), "x"),
		"backslash":            insert(file(`events\..\x`), "x"),
		"another part":         insert(file("bin/sh"), "x"),
		"no part":              insert(file("x"), "x"),
		"link":                 insert(tar.Header{Typeflag: tar.TypeSymlink, Name: "events/x", Linkname: "/etc"}, ""),
		"hard link":            insert(tar.Header{Typeflag: tar.TypeLink, Name: "events/x", Linkname: "/etc/shadow"}, ""),
		"device":               insert(tar.Header{Typeflag: tar.TypeBlock, Name: "events/x"}, ""),
		"folder":               insert(tar.Header{Typeflag: tar.TypeDir, Name: "events/x/"}, ""),
		"not in the manifest":  insert(file("keys/identity/x"), "x"),
		"part too large":       insert(file("keys/identity/x"), strings.Repeat("x", 4<<20+1)),
		"after the end":        append(append([]entry{}, good...), entry{file("keys/identity/x"), []byte("x")}),
		"without a manifest":   good[:last],
		"without a header":     good[1:],
		"files in other order": append([]entry{good[0], good[2], good[1]}, good[3:]...),
		"one is missing":       append([]entry{good[0]}, good[2:]...),
		"one is there twice":   append([]entry{good[0], good[1], good[1]}, good[2:]...),
	}
	for i := range good[:last] {
		if len(good[i].body) == 0 || i == 0 {
			continue
		}
		list := append([]entry{}, good...)
		list[i].body = append(bytes.Clone(list[i].body[:len(list[i].body)-1]), list[i].body[len(list[i].body)-1]^1)
		cases["changed "+good[i].head.Name] = list
	}
	for name, list := range cases {
		b := join(t, list)
		if err := verify(t, b, nil); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		dir := t.TempDir()
		err := backup.Restore(t.Context(), bytes.NewReader(b), backup.Target{Dir: filepath.Join(dir, "in"), Ledger: "sqlite:" + filepath.Join(dir, "l.db"),
			Bus: func(_ context.Context, _ string, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }})
		if err == nil {
			t.Errorf("%s: it was restored", name)
		}
		if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) > 4 {
			t.Errorf("%s: left %v", name, names)
		}
	}
	must(t, verify(t, join(t, good), nil))
	newer := append([]entry{}, good...)
	newer[0].body = bytes.Replace(newer[0].body, []byte(`"format":1`), []byte(`"format":2`), 1)
	if err := verify(t, join(t, newer), nil); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("a newer format: %v", err)
	}
}

// TestSealedKeysVouchForTheWholeBackup changes a row and makes the manifest fit,
// as somebody may who has no passphrase.
func TestSealedKeysVouchForTheWholeBackup(t *testing.T) {
	b := small(t, phrase)
	must(t, verify(t, b, phrase))
	if err := verify(t, b, []byte("another passphrase")); fault.KindOf(err) != fault.Denied {
		t.Errorf("a wrong passphrase: %v", err)
	}
	list := entries(t, b)
	manifest := len(list) - 2
	var m backup.Manifest
	must(t, json.Unmarshal(list[manifest].body, &m))
	m.Rows["history"] = 2
	var err error
	list[manifest].body, err = json.Marshal(m)
	must(t, err)
	for i, e := range list {
		if e.head.Name == "ledger/history.jsonl" {
			lines := bytes.SplitAfter(e.body, []byte("\n"))
			list[i].body = bytes.Join(lines[1:], nil)
			list[manifest].body = refit(t, m, e.head.Name, list[i].body)
		}
	}
	forged := join(t, list)
	must(t, verify(t, forged, nil)) // Without the passphrase nobody can tell.
	if err := verify(t, forged, phrase); fault.KindOf(err) != fault.Denied {
		t.Errorf("a forged backup: %v", err)
	}
	if err := backup.Make(t.Context(), io.Discard, func() backup.Source {
		s, _ := source(t, ledgertest.SQLite(t))
		s.Passphrase = []byte("short")
		return s
	}()); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a short passphrase: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	// By hand: a ledger would be opened by every worker.
	file := func(name, body string) entry {
		return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600}, []byte(body)}
	}
	row := "[1,\"a\"]\n"
	m := backup.Manifest{Rows: map[string]int64{"t": 1}, Files: []backup.File{{Name: "ledger/t.jsonl"}, {Name: "keys/identity/ca.key"}}}
	refit(f, m, "keys/identity/ca.key", []byte("k"))
	good := []entry{file("header.json", `{"format":1,"parts":["ledger","keys"],"versions":[1],"tables":[{"name":"t","columns":["a","b"]}]}`),
		file("ledger/t.jsonl", row), file("keys/identity/ca.key", "k"), file("manifest.json", string(refit(f, m, "ledger/t.jsonl", []byte(row))))}
	must(f, verify(f, join(f, good), nil))
	f.Add(plain(f, join(f, good)))
	f.Add(plain(f, join(f, good[:3])))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := backup.OpenTar(bytes.NewReader(b))
		if err != nil {
			return
		}
		for {
			name, content, err := r.Next()
			if err != nil {
				break
			}
			if !filepath.IsLocal(name) || strings.Contains(name, "..") || strings.ContainsAny(name, "\\\x00") {
				t.Fatalf("the name %q was handed out", name)
			}
			if n, err := io.Copy(io.Discard, content); err == nil && n > 64<<20 {
				t.Fatalf("%d bytes came out of %d", n, len(b))
			}
		}
		r.Close()
	})
}

// refit makes the manifest say what a changed file is now.
func refit(t testing.TB, m backup.Manifest, name string, body []byte) []byte {
	t.Helper()
	for i, f := range m.Files {
		if f.Name == name {
			m.Files[i] = backup.File{Name: name, Size: int64(len(body)), SHA256: fmt.Sprintf("%x", sha256.Sum256(body))}
		}
	}
	b, err := json.Marshal(m)
	must(t, err)
	return b
}
