package scan

import (
	"path"
	"regexp"
	"strings"

	"noroshi/bom"
)

// Cargo.lock, poetry.lock and uv.lock are TOML that tools write in one way: a
// table [[package]] for each package, a key on each line. So only that is read, and
// what else TOML can say is passed over.

type tomlPackage struct {
	name, version, source string
	needs                 []string // names, of Cargo with their version behind a space
}

var (
	tomlNeed   = regexp.MustCompile(`name = "([^"]+)"`)
	tomlString = regexp.MustCompile(`"([^"]*)"`)
)

func tomlPackages(text string) (list []tomlPackage) {
	table, array := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		var p *tomlPackage
		if len(list) > 0 {
			p = &list[len(list)-1]
		}
		switch {
		case array != "":
			if array += line; line == "]" {
				p.needs, array = append(p.needs, tomlNames(array)...), ""
			}
			continue
		case line == "[[package]]":
			list, table = append(list, tomlPackage{}), "package"
			continue
		case strings.HasPrefix(line, "["):
			table = strings.Trim(line, "[]")
			continue
		}
		key, value, ok := strings.Cut(line, " = ")
		if !ok || p == nil {
			continue
		}
		key = strings.Trim(key, `"`)
		switch {
		case table == "package.dependencies":
			p.needs = append(p.needs, key)
		case table != "package":
		case key == "name":
			p.name = strings.Trim(value, `"`)
		case key == "version":
			p.version = strings.Trim(value, `"`)
		case key == "source":
			p.source = value
		case key == "dependencies" && value == "[":
			array = value
		case key == "dependencies":
			p.needs = append(p.needs, tomlNames(value)...)
		}
	}
	return list
}

// tomlNames are the strings of an array, or the names of its tables.
func tomlNames(array string) (names []string) {
	shape := tomlString
	if strings.Contains(array, "{") {
		shape = tomlNeed
	}
	for _, m := range shape.FindAllStringSubmatch(array, -1) {
		names = append(names, m[1])
	}
	return names
}

// tomlLock reads such a file. What its packages are called is said by pkg, which
// has no type for those that are part of the system itself.
func (s *scanner) tomlLock(name string, pkg func(*tomlPackage) bom.PURL) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	list := tomlPackages(string(b))
	g := s.graph()
	for i := range list {
		p := &list[i]
		if p.name == "" {
			continue
		}
		id := bom.Root
		if u := pkg(p); u.Type != "" {
			id = g.take(u)
		} else if path.Dir(name) == "." && len(s.sys.Components) == 0 {
			s.sys.Name, s.sys.Version = p.name, p.version
		}
		g.call(id, p.name, p.name+" "+p.version)
		g.needs(id, p.needs...)
	}
	g.join()
	return nil
}

// cargoLock reads Rust's: what has no source is a member of the workspace.
func (s *scanner) cargoLock(name string) error {
	return s.tomlLock(name, func(p *tomlPackage) (u bom.PURL) {
		// "name version (source)" is known by its first two words.
		for i, n := range p.needs {
			if f := strings.Fields(n); len(f) > 2 {
				p.needs[i] = f[0] + " " + f[1]
			}
		}
		if strings.Contains(p.source, "registry+") {
			u = bom.PURL{Type: "cargo", Name: p.name, Version: p.version}
		}
		return u
	})
}

// pythonLock reads those of Poetry and uv; uv says which package is the project.
func (s *scanner) pythonLock(name string) error {
	return s.tomlLock(name, func(p *tomlPackage) (u bom.PURL) {
		for i, n := range p.needs {
			p.needs[i] = pypiName(n)
		}
		own := strings.Contains(p.source, "virtual") || strings.Contains(p.source, "editable") || strings.Contains(p.source, "directory")
		if u = (bom.PURL{Type: "pypi", Name: p.name, Version: p.version}).Normal(); own {
			u.Type = ""
		}
		p.name = u.Name
		return u
	})
}

func pypiName(name string) string { return bom.PURL{Type: "pypi", Name: name}.Normal().Name }
