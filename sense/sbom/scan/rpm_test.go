package scan_test

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"noroshi/sense/sbom/scan"
)

// header makes the header of an rpm out of tags, as rpm keeps it.
func header(tags map[int][]string, epoch uint32) []byte {
	var index, store []byte
	entry := func(tag, kind, count int) {
		for _, n := range []int{tag, kind, len(store), count} {
			index = binary.BigEndian.AppendUint32(index, uint32(n))
		}
	}
	for tag, list := range tags {
		kind := 6
		if len(list) > 1 {
			kind = 8
		}
		entry(tag, kind, len(list))
		store = append(store, strings.Join(list, "\x00")+"\x00"...)
	}
	entry(1003, 4, 1)
	store = binary.BigEndian.AppendUint32(store, epoch)
	b := binary.BigEndian.AppendUint32(nil, uint32(len(index)/16))
	return append(append(binary.BigEndian.AppendUint32(b, uint32(len(store))), index...), store...)
}

// rpmRoot makes the root of a system in which rpm has installed some packages: so
// many, and one of them so large, that the database has inner and further pages.
func rpmRoot(t *testing.T, packages int) string {
	t.Helper()
	dir := folder(t, map[string]string{"etc/os-release": "ID=\"rhel\"\nVERSION_ID=\"9.3\"\n", "var/lib/rpm/.keep": ""})
	db, err := sql.Open("sqlite", filepath.Join(dir, "var/lib/rpm/rpmdb.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE Name (key TEXT, hnum INTEGER); CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	add := func(b []byte) {
		if _, err := tx.Exec(`INSERT INTO Packages (blob) VALUES (?)`, b); err != nil {
			t.Fatal(err)
		}
	}
	add(header(map[int][]string{1000: {"gpg-pubkey"}, 1001: {"1"}, 1002: {"2"}}, 0))
	for i := range packages {
		add(header(map[int][]string{1000: {fmt.Sprintf("p%d", i)}, 1001: {"1.0"}, 1002: {"2.el9"}, 1004: {strings.Repeat("x", i*101%9000)}, 1022: {"x86_64"}, 1044: {"src-1.0-2.el9.src.rpm"}}, 0))
	}
	add(header(map[int][]string{1000: {"kernel-core"}, 1001: {"5.14.0"}, 1002: {"427.el9"}, 1011: {"Ann"}, 1014: {"GPL-2.0-only"}, 1022: {"x86_64"}, 1047: {"kernel-core", "kernel-uname-r"}, 1049: {"libfoo.so.1", "p0"}, 5096: {"m:1:2:3"}}, 1))
	if err := errors.Join(tx.Commit(), db.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRpmDatabase(t *testing.T) {
	const packages = 400
	r, err := scan.Dir(rpmRoot(t, packages))
	if err != nil || len(r.Notes) > 0 {
		t.Fatal(err, r.Notes)
	}
	got := lines(r.System)
	text := strings.Join(got, "\n") + "\n"
	kernel := "pkg:rpm/redhat/kernel-core@5.14.0-427.el9?arch=x86_64&distro=rhel-9.3&epoch=1&rpmmod=m:1:2:3"
	for _, want := range []string{kernel, "* > " + kernel, "pkg:rpm/redhat/p399@1.0-2.el9?arch=x86_64&distro=rhel-9.3&upstream=src-1.0-2.el9.src.rpm", kernel + " > pkg:rpm/redhat/p0@1.0-2.el9?arch=x86_64&distro=rhel-9.3&upstream=src-1.0-2.el9.src.rpm"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is not among %d lines", want, len(got))
		}
	}
	c := r.System.Components
	if last := c[len(c)-1]; len(c) != packages+1 || last.License != "GPL-2.0-only" || last.Supplier != "Ann" {
		t.Errorf("%d packages, the last is %+v", len(c), last)
	}
}

func TestWhatIsNotReadOfRpmIsSaid(t *testing.T) {
	dir := rpmRoot(t, 400)
	name := filepath.Join(dir, "var/lib/rpm/rpmdb.sqlite")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func() error{
		"contradict each other": func() error { return os.WriteFile(name, b[:len(b)/2], 0o600) },
		"no file of SQLite":     func() error { return os.WriteFile(name, []byte("x"), 0o600) },
		"Berkeley DB":           func() error { return os.Rename(name, filepath.Join(filepath.Dir(name), "Packages")) },
		"ndb":                   func() error { return os.Rename(name, name[:len(name)-len("rpmdb.sqlite")]+"Packages.db") },
		"rpmdb.sqlite-wal":      func() error { return os.WriteFile(name+"-wal", []byte("x"), 0o600) },
	} {
		if err := os.RemoveAll(filepath.Dir(name)); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		r, err := scan.Dir(dir)
		if err != nil || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], what) {
			t.Errorf("%s: %v, %v", what, r.Notes, err)
		}
	}
}
