package scan

import (
	"encoding/json"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// nugetLock reads packages.lock.json, which has a list for each framework.
func (s *scanner) nugetLock(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	var l struct {
		Dependencies map[string]map[string]struct {
			Type         string            `json:"type"`
			Resolved     string            `json:"resolved"`
			Dependencies map[string]string `json:"dependencies"`
		} `json:"dependencies"`
	}
	if err := json.Unmarshal(b, &l); err != nil {
		return fault.As(fault.Invalid, "scan.nuget", err, "it is no packages.lock.json: %v", err)
	}
	for _, framework := range keys(l.Dependencies) {
		g := s.graph()
		g.root = true
		for _, n := range keys(l.Dependencies[framework]) {
			p := l.Dependencies[framework][n]
			i := bom.Root // A project of the same solution.
			if p.Type != "Project" {
				if p.Resolved == "" {
					continue
				}
				i = g.take(bom.PURL{Type: "nuget", Name: n, Version: p.Resolved})
			}
			if g.call(i, strings.ToLower(n)); p.Type == "Direct" {
				s.edge(bom.Root, i)
			}
			for _, need := range keys(p.Dependencies) {
				g.needs(i, strings.ToLower(need))
			}
		}
		g.join()
	}
	return nil
}
