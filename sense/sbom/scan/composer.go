package scan

import (
	"encoding/json"
	"path"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// composerPackage is one of composer.lock, and the whole of composer.json.
type composerPackage struct {
	Name       string       `json:"name"`
	Version    string       `json:"version"`
	License    []string     `json:"license"`
	Require    composerNeed `json:"require"`
	RequireDev composerNeed `json:"require-dev"`
}

// composerNeed are the names of packages. PHP writes an empty object as a list.
type composerNeed map[string]string

func (n *composerNeed) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return nil
	}
	return json.Unmarshal(b, (*map[string]string)(n))
}

// composerLock reads PHP's; composer.json beside it says what the system needs.
func (s *scanner) composerLock(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	var l struct {
		Packages []composerPackage `json:"packages"`
		Dev      []composerPackage `json:"packages-dev"`
	}
	if err := json.Unmarshal(b, &l); err != nil {
		return fault.As(fault.Invalid, "scan.composer", err, "it is no composer.lock: %v", err)
	}
	g := s.graph()
	for _, p := range append(l.Packages, l.Dev...) {
		if p.Name == "" || p.Version == "" {
			continue
		}
		u := bom.PURL{Type: "composer", Name: strings.ToLower(p.Name), Version: p.Version}
		if vendor, rest, ok := strings.Cut(u.Name, "/"); ok {
			u.Namespace, u.Name = vendor, rest
		}
		i := g.take(u)
		s.licensed(i, strings.Join(p.License, " OR "))
		g.call(i, strings.ToLower(p.Name))
		for _, n := range keys(p.Require) {
			g.needs(i, strings.ToLower(n))
		}
	}
	var own composerPackage
	if b, err := s.read(path.Join(path.Dir(name), "composer.json")); err == nil && json.Unmarshal(b, &own) == nil {
		for _, n := range append(keys(own.Require), keys(own.RequireDev)...) {
			g.needs(bom.Root, strings.ToLower(n))
		}
	}
	g.join()
	return nil
}
