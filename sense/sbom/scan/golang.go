package scan

import (
	"debug/buildinfo"
	"io"
	"path"
	"strconv"
	"strings"

	"noroshi/bom"
)

// goPURL is the package URL of a module.
func goPURL(module, version string) bom.PURL {
	p := bom.PURL{Type: "golang", Name: module, Version: version}
	if i := strings.LastIndexByte(module, '/'); i >= 0 {
		p.Namespace, p.Name = module[:i], module[i+1:]
	}
	return p
}

// goModFile is what is read of a go.mod.
type goModFile struct {
	module  string
	minor   int // of the directive "go 1.N"
	require []goRequire
	replace map[string][2]string // "path" or "path version" → path, version; no path for a folder
}

type goRequire struct {
	path, version string
	indirect      bool
}

// goMod reads the modules that a go.mod asks for. Since Go 1.17 it names all that
// are built; of older ones go.sum has the rest, perhaps in more versions than
// are built.
func (s *scanner) goMod(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	m := parseGoMod(string(b))
	if m.module == "" {
		return nil
	}
	self := bom.Root
	if name == "go.mod" {
		s.sys.Name = m.module
	} else {
		self = s.add(goPURL(m.module, ""), "")
		s.edge(bom.Root, self)
	}
	for _, r := range m.require {
		p, v := m.real(r.path, r.version)
		if p == "" {
			continue
		}
		i := s.add(goPURL(p, v), "")
		if !r.indirect {
			s.edge(self, i)
		}
	}
	if m.minor >= 17 {
		return nil
	}
	sum, err := s.read(path.Join(path.Dir(name), "go.sum"))
	if err != nil {
		return nil // Without dependencies there is none.
	}
	for line := range strings.Lines(string(sum)) {
		if f := strings.Fields(line); len(f) == 3 && !strings.HasSuffix(f[1], "/go.mod") {
			s.add(goPURL(f[0], f[1]), "")
		}
	}
	return nil
}

// real applies the replacements.
func (m *goModFile) real(path, version string) (string, string) {
	for _, key := range []string{path + " " + version, path} {
		if r, ok := m.replace[key]; ok {
			return r[0], r[1]
		}
	}
	return path, version
}

func parseGoMod(text string) (m goModFile) {
	m.replace = map[string][2]string{}
	block := ""
	for line := range strings.Lines(text) {
		line, comment, _ := strings.Cut(line, "//")
		f := strings.Fields(line)
		for i := range f {
			if q, err := strconv.Unquote(f[i]); err == nil {
				f[i] = q
			}
		}
		switch {
		case len(f) == 0:
			continue
		case f[0] == ")":
			block = ""
			continue
		case len(f) == 2 && f[1] == "(":
			block = f[0]
			continue
		case block != "":
			f = append([]string{block}, f...)
		}
		m.directive(f, strings.TrimSpace(comment) == "indirect")
	}
	return m
}

func (m *goModFile) directive(f []string, indirect bool) {
	switch {
	case f[0] == "module" && len(f) == 2:
		m.module = f[1]
	case f[0] == "go" && len(f) == 2:
		if p := strings.Split(f[1], "."); len(p) > 1 {
			m.minor, _ = strconv.Atoi(p[1]) // An odd one counts as old: go.sum is read, too.
		}
	case f[0] == "require" && len(f) == 3:
		m.require = append(m.require, goRequire{f[1], f[2], indirect})
	case f[0] == "replace":
		from, to, ok := strings.Cut(strings.Join(f[1:], " "), " => ")
		if t := strings.Fields(to); ok && len(t) == 2 {
			m.replace[from] = [2]string{t[0], t[1]}
		} else if ok {
			m.replace[from] = [2]string{} // A folder: its own go.mod speaks for it.
		}
	}
}

// binary reads what a Go program says of the modules it was built from, and the
// release of Go whose standard library is in it.
func (s *scanner) binary(name string) error {
	f, err := s.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // It was only read.
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil || !program(magic) {
		return nil
	}
	info, err := buildinfo.Read(f)
	if err != nil {
		return nil // A program that is not of Go.
	}
	self := bom.Root
	if info.Main.Path != "" {
		v := info.Main.Version
		if v == "(devel)" {
			v = ""
		}
		self = s.add(goPURL(info.Main.Path, v), "")
		s.edge(bom.Root, self)
	}
	release, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
	s.edge(self, s.add(bom.PURL{Type: "golang", Name: "stdlib", Version: release}, "Go"))
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		if d.Version != "" && d.Version != "(devel)" {
			s.edge(self, s.add(goPURL(d.Path, d.Version), ""))
		}
	}
	return nil
}

// program says whether a file begins as ELF, PE or Mach-O do.
func program(m [4]byte) bool {
	switch string(m[:]) {
	case "\x7fELF", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe":
		return true
	}
	return m[0] == 'M' && m[1] == 'Z'
}
