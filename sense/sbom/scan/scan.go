// Package scan makes a bill of materials out of a folder or of the machine: what Go
// programs say of themselves, the lock files of ten languages' tools, installed
// packages of Python and npm, and of a folder that is the root of a system what
// dpkg, rpm and apk have installed. It reads only regular files inside the
// folder, follows no link out of it, runs nothing, and asks no network.
package scan

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
	"noroshi/sense/sbom"
)

// The limits of a scan.
const (
	maxFiles = 5_000_000
	maxFile  = 64 << 20 // of what is read as text
	maxNotes = 50
)

// Result is what a folder is made of, and what could not be read of it.
type Result struct {
	System bom.System
	Notes  []string
}

// scanner gathers components; the same package URL is the same component.
type scanner struct {
	root  *os.Root
	sys   bom.System
	index map[string]int
	edges map[bom.Edge]bool
	notes []string
	// distro is what the folder says that it is a root of, such as debian-12.
	distro, vendor string
	python         map[string]map[string]bom.PURL // what is installed in a folder
	installedNPM   map[string]int                 // by folder
	needsNPM       []npmNeed
	host           bool // it is the machine, of which only what is installed counts
}

// Dir scans a folder.
func Dir(dir string) (Result, error) { return scanned(dir, func(*scanner) {}, func(*scanner) {}) }

// scanned scans a folder, with what is to be done before and after.
func scanned(dir string, before, after func(*scanner)) (Result, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Result{}, fault.As(fault.NotFound, "scan.dir", err, "%v", err)
	}
	defer func() { _ = root.Close() }() // It was only read.
	s := &scanner{root: root, index: map[string]int{}, edges: map[bom.Edge]bool{}, python: map[string]map[string]bom.PURL{}, installedNPM: map[string]int{}}
	before(s)
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Result{}, fault.Wrap("scan.dir", err)
	}
	s.sys.Name, s.sys.Format = filepath.Base(abs), "a folder"
	s.release()
	if err := s.walk(dir); err != nil {
		return Result{}, err
	}
	s.joinNPM()
	after(s)
	if len(s.sys.Components) > sbom.MaxComponents {
		return Result{}, fault.New(fault.TooLarge, "scan.dir", "there are more than %d components", sbom.MaxComponents).At("%s", dir)
	}
	return Result{s.sys, s.notes}, nil
}

// walk looks at every file.
func (s *scanner) walk(dir string) error {
	files := 0
	return fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			s.note(name, err)
			return nil
		}
		if d.IsDir() {
			if passedOver(name) || s.host && foreign(name) {
				return fs.SkipDir
			}
			return nil
		}
		if files++; files > maxFiles {
			return fault.New(fault.TooLarge, "scan.dir", "there are more than %d files", maxFiles).At("%s", dir)
		}
		if d.Type().IsRegular() {
			if err := s.file(name, d); err != nil {
				s.note(name, err)
			}
		}
		return nil
	})
}

// passedOver are folders that are no part of a system: what the kernel shows,
// histories, and the caches and test data of builds.
func passedOver(name string) bool {
	switch name {
	case "proc", "sys", "dev", "run":
		return true
	}
	base := path.Base(name)
	return base == ".git" || base == "testdata" || strings.HasSuffix(name, "pkg/mod")
}

// locks are the files by whose name alone it is known what reads them.
var locks = map[string]func(*scanner, string) error{
	"go.mod": (*scanner).goMod, "package-lock.json": (*scanner).npmLock, "npm-shrinkwrap.json": (*scanner).npmLock, "yarn.lock": (*scanner).yarnLock, "pnpm-lock.yaml": (*scanner).pnpmLock,
	"Cargo.lock": (*scanner).cargoLock, "poetry.lock": (*scanner).pythonLock, "uv.lock": (*scanner).pythonLock, "Pipfile.lock": (*scanner).pipfileLock, "Gemfile.lock": (*scanner).gemfileLock,
	"composer.lock": (*scanner).composerLock, "packages.lock.json": (*scanner).nugetLock, "pom.xml": (*scanner).pom, "gradle.lockfile": (*scanner).gradleLock,
}

// file looks at one file.
func (s *scanner) file(name string, d fs.DirEntry) error {
	folder, base := path.Split(name)
	switch lock := locks[base]; {
	case lock != nil && !s.host && !strings.Contains("/"+folder, "/node_modules/"):
		return lock(s, name) // A dependency's own lock installs nothing.
	case lock != nil:
		return nil
	case base == "package.json" && global(name):
		return s.npmInstalled(name)
	case base == "METADATA" && strings.HasSuffix(path.Dir(name), ".dist-info"):
		return s.distInfo(name)
	case strings.HasPrefix(base, "requirements") && strings.HasSuffix(base, ".txt"):
		if s.host {
			return nil
		}
		return s.requirements(name)
	case name == "var/lib/dpkg/status" || folder == "var/lib/dpkg/status.d/" && !strings.HasSuffix(base, ".md5sums"):
		return s.dpkg(name)
	case name == "lib/apk/db/installed" || name == "usr/lib/apk/db/installed":
		return s.apk(name)
	case folder == "var/lib/rpm/" || folder == "usr/lib/sysimage/rpm/":
		if other := rpmOther[base]; other != "" {
			return fault.New(fault.Invalid, "scan.rpm", "rpm keeps what is installed in %s here, and only SQLite is read; as root, rpm --rebuilddb --define '_db_backend sqlite' makes it", other)
		}
		if base == rpmDatabase {
			return s.rpm(name)
		}
		return nil
	}
	info, err := d.Info()
	if err != nil || info.Mode()&0o111 == 0 {
		return err
	}
	return s.binary(name)
}

// read reads a file of text.
func (s *scanner) read(name string) ([]byte, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // It was only read.
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fault.New(fault.TooLarge, "scan.read", "it is larger than %d MiB", maxFile>>20)
	}
	return b, err
}

// note tells what could not be read: a scan that leaves something out says so.
func (s *scanner) note(name string, err error) {
	if len(s.notes) == maxNotes {
		s.notes = append(s.notes, "and more")
	}
	if len(s.notes) < maxNotes {
		said := err.Error()
		var f *fault.Error
		if errors.As(err, &f) {
			said = fault.PublicOf(err)
		}
		s.notes = append(s.notes, fmt.Sprintf("%q: %s", name, said))
	}
}

// add takes a component, once.
func (s *scanner) add(p bom.PURL, supplier string) int {
	p = p.Normal()
	key := p.String()
	if i, ok := s.index[key]; ok {
		return i
	}
	i := len(s.sys.Components)
	s.index[key] = i
	s.sys.Components = append(s.sys.Components, bom.Component{Name: p.FullName(), Version: p.Version, Supplier: supplier, PURL: p})
	return i
}

// edge says that one needs another, once.
func (s *scanner) edge(from, to int) {
	e := bom.Edge{From: from, To: to}
	if from != to && !s.edges[e] {
		s.edges[e] = true
		s.sys.Edges = append(s.sys.Edges, e)
	}
}

// licensed says under which license a component is, if it is said at all.
func (s *scanner) licensed(i int, license string) {
	if c := &s.sys.Components[i]; c.License == "" && license != "UNKNOWN" && len(license) <= bom.MaxLicense {
		c.License = license
	}
}
