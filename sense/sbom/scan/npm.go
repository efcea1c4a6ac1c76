package scan

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// npmLock is package-lock.json: versions 2 and 3 list folders, version 1 nests
// dependencies.
type npmLock struct {
	Name         string                `json:"name"`
	Version      string                `json:"version"`
	Packages     map[string]npmPackage `json:"packages"`
	Dependencies map[string]npmOld     `json:"dependencies"`
}

type npmPackage struct {
	Name     string            `json:"name"`
	Version  string            `json:"version"`
	Needs    map[string]string `json:"dependencies"`
	Dev      map[string]string `json:"devDependencies"`
	Optional map[string]string `json:"optionalDependencies"`
	Peer     map[string]string `json:"peerDependencies"`
	License  json.RawMessage   `json:"license"`
}

// license is the name of the license; old packages have an object.
func (p *npmPackage) license() string {
	var name string
	var old struct{ Type string }
	if json.Unmarshal(p.License, &name) != nil && json.Unmarshal(p.License, &old) == nil {
		name = old.Type
	}
	return short(name)
}

type npmOld struct {
	Version      string            `json:"version"`
	Requires     json.RawMessage   `json:"requires"` // names, or true
	Dependencies map[string]npmOld `json:"dependencies"`
}

// npmPURL is the package URL of a package; a scope is its namespace.
func npmPURL(name, version string) bom.PURL {
	p := bom.PURL{Type: "npm", Name: name, Version: version}
	if scope, rest, ok := strings.Cut(name, "/"); ok {
		p.Namespace, p.Name = scope, rest
	}
	return p
}

func (s *scanner) npmLock(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	var l npmLock
	if err := json.Unmarshal(b, &l); err != nil {
		return fault.As(fault.Invalid, "scan.npm", err, "it is no package-lock.json: %v", err)
	}
	self := bom.Root
	if path.Dir(name) == "." {
		if l.Name != "" {
			s.sys.Name, s.sys.Version = l.Name, l.Version
		}
	} else if l.Name != "" {
		self = s.add(npmPURL(l.Name, l.Version), "")
		s.edge(bom.Root, self)
	}
	if len(l.Packages) > 0 {
		s.npmFolders(&l, self)
		return nil
	}
	// Version 1 does not say what the project itself needs, but for what nothing
	// else does.
	t := &npmTree{s: s, at: map[string]int{}, needed: map[int]bool{}}
	t.list("", l.Dependencies, 0)
	t.needs("", l.Dependencies, 0)
	for _, folder := range keys(t.at) {
		if i := t.at[folder]; !t.needed[i] && strings.Count(folder, modules) == 1 {
			s.edge(self, i)
		}
	}
	return nil
}

const modules = "node_modules/"

// npmFolders reads versions 2 and 3. What a folder needs is found as Node finds
// it: in its own node_modules, then in those above.
func (s *scanner) npmFolders(l *npmLock, self int) {
	at := map[string]int{"": self}
	for _, folder := range keys(l.Packages) {
		p := l.Packages[folder]
		i := strings.LastIndex(folder, modules)
		if i < 0 {
			at[folder] = self // A workspace is part of the system.
			continue
		}
		if p.Version == "" {
			continue // A link to a workspace.
		}
		name := folder[i+len(modules):]
		if p.Name != "" {
			name = p.Name // An alias is installed under another name.
		}
		at[folder] = s.add(npmPURL(name, p.Version), "")
		s.licensed(at[folder], p.license())
	}
	for _, folder := range keys(at) {
		p := l.Packages[folder]
		for _, needs := range []map[string]string{p.Needs, p.Dev, p.Optional, p.Peer} {
			for _, name := range keys(needs) {
				if to, ok := resolve(at, folder, name); ok {
					s.edge(at[folder], to)
				}
			}
		}
	}
}

// resolve finds the folder that a name means inside another.
func resolve(at map[string]int, folder, name string) (int, bool) {
	for {
		if i, ok := at[path.Join(folder, modules+name)]; ok {
			return i, true
		}
		if folder == "" {
			return 0, false
		}
		i := strings.LastIndex(folder, modules)
		folder = strings.TrimSuffix(folder[:max(i, 0)], "/")
	}
}

// npmTree reads version 1.
type npmTree struct {
	s      *scanner
	at     map[string]int
	needed map[int]bool
}

// maxNesting is how deep dependencies of version 1 are followed.
const maxNesting = 64

func (t *npmTree) list(folder string, deps map[string]npmOld, depth int) {
	for _, name := range keys(deps) {
		d := deps[name]
		// A version that is an address is no release.
		if depth < maxNesting && !strings.ContainsAny(d.Version, ":/") {
			inner := path.Join(folder, modules+name)
			t.at[inner] = t.s.add(npmPURL(name, d.Version), "")
			t.list(inner, d.Dependencies, depth+1)
		}
	}
}

func (t *npmTree) needs(folder string, deps map[string]npmOld, depth int) {
	for _, name := range keys(deps) {
		inner := path.Join(folder, modules+name)
		from, ok := t.at[inner]
		if !ok || depth >= maxNesting {
			continue
		}
		var requires map[string]string
		_ = json.Unmarshal(deps[name].Requires, &requires) // "true" names nothing.
		for _, other := range keys(requires) {
			if to, ok := resolve(t.at, inner, other); ok {
				t.s.edge(from, to)
				t.needed[to] = true
			}
		}
		t.needs(inner, deps[name].Dependencies, depth+1)
	}
}

// keys are the keys of a map in order, so that a scan always says the same.
func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
