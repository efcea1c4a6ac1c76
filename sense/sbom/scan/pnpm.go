package scan

import (
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"noroshi/bom"
	"noroshi/fault"
)

// pnpmLock is pnpm-lock.yaml: the versions from 5 to 9 differ in how packages are
// called and in where it stands what they need.
type pnpmLock struct {
	pnpmImporter `yaml:",inline"`
	Importers    map[string]pnpmImporter `yaml:"importers"`
	Packages     map[string]pnpmPackage  `yaml:"packages"`
	Snapshots    map[string]pnpmPackage  `yaml:"snapshots"`
}

type pnpmImporter struct {
	Needs    map[string]yaml.Node `yaml:"dependencies"`
	Dev      map[string]yaml.Node `yaml:"devDependencies"`
	Optional map[string]yaml.Node `yaml:"optionalDependencies"`
}

type pnpmPackage struct {
	Needs    map[string]string `yaml:"dependencies"`
	Optional map[string]string `yaml:"optionalDependencies"`
}

func (s *scanner) pnpmLock(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	var l pnpmLock
	if err := yaml.Unmarshal(b, &l); err != nil {
		return fault.As(fault.Invalid, "scan.pnpm", err, "it is no pnpm-lock.yaml: %v", err)
	}
	g := s.graph()
	g.root = true
	for _, list := range []map[string]pnpmPackage{l.Packages, l.Snapshots} {
		for _, key := range keys(list) {
			module, version := pnpmName(key)
			if module == "" {
				continue
			}
			i := g.take(npmPURL(module, version))
			g.call(i, module+"@"+version)
			for _, needs := range []map[string]string{list[key].Needs, list[key].Optional} {
				for _, n := range keys(needs) {
					g.needs(i, pnpmSpec(n, needs[n]))
				}
			}
		}
	}
	importers := []pnpmImporter{l.pnpmImporter}
	for _, folder := range keys(l.Importers) {
		importers = append(importers, l.Importers[folder])
	}
	for _, x := range importers {
		for _, list := range []map[string]yaml.Node{x.Needs, x.Dev, x.Optional} {
			for _, n := range keys(list) {
				node := list[n]
				var given struct{ Version string }
				if node.Decode(&given.Version) != nil && node.Decode(&given) != nil {
					continue
				}
				g.needs(bom.Root, pnpmSpec(n, given.Version))
			}
		}
	}
	g.join()
	return nil
}

// pnpmName parts /name/1.0.0_peer, /name@1.0.0(peer) and name@1.0.0. What is a
// folder or an address instead is no release.
func pnpmName(key string) (module, version string) {
	key, _, _ = strings.Cut(strings.TrimPrefix(key, "/"), "(")
	scope := ""
	if strings.HasPrefix(key, "@") {
		var ok bool
		if scope, key, ok = strings.Cut(key, "/"); !ok {
			return "", ""
		}
		scope += "/"
	}
	i := strings.IndexAny(key, "@/")
	if i <= 0 || i+1 == len(key) || strings.Contains(key[:i], ":") || key[i+1] < '0' || key[i+1] > '9' {
		return "", ""
	}
	if version = key[i+1:]; key[i] == '/' {
		version, _, _ = strings.Cut(version, "_")
	}
	return scope + key[:i], version
}

var pnpmVersion = regexp.MustCompile(`^\d+\.\d+\.\d+`)

// pnpmSpec is how what a package needs is called; an alias has its name in place
// of the version.
func pnpmSpec(module, version string) string {
	if other, v := pnpmName(version); other != "" && !pnpmVersion.MatchString(version) {
		module, version = other, v
	}
	version, _, _ = strings.Cut(version, "(")
	version, _, _ = strings.Cut(version, "_")
	return module + "@" + version
}
