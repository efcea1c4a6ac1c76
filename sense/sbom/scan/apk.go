package scan

import (
	"strings"

	"noroshi/bom"
)

// apk reads the packages that apk has installed: paragraphs of lines with a letter
// and a colon (apk-installed of apk-tools).
func (s *scanner) apk(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	vendor := s.vendor
	if vendor == "" {
		vendor = "alpine"
	}
	world := s.world()
	g := s.graph()
	g.root = len(world) > 0
	for paragraph := range strings.SplitSeq(string(b), "\n\n") {
		p := map[string]string{}
		for line := range strings.Lines(paragraph) {
			if k, v, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok && len(k) == 1 && p[k] == "" {
				p[k] = v
			}
		}
		if p["P"] == "" || p["V"] == "" {
			continue
		}
		q := s.qualifiers(p["A"])
		if p["o"] != "" && p["o"] != p["P"] {
			q["upstream"] = p["o"]
		}
		i := g.take(bom.PURL{Type: "apk", Namespace: vendor, Name: p["P"], Version: p["V"], Qualifiers: q})
		s.sys.Components[i].Supplier = p["m"]
		s.licensed(i, p["L"])
		g.call(i, p["P"])
		for _, virtual := range strings.Fields(p["p"]) {
			g.call(i, apkName(virtual))
		}
		for _, n := range strings.Fields(p["D"]) {
			g.needs(i, apkName(n))
		}
		if world[p["P"]] {
			s.edge(bom.Root, i)
		}
	}
	g.join()
	return nil
}

// apkName is a dependency without its version and repository.
func apkName(s string) string {
	if i := strings.IndexAny(s, "<>=~@"); i >= 0 {
		s = s[:i]
	}
	return s
}

// world are the packages that somebody asked for.
func (s *scanner) world() map[string]bool {
	b, err := s.read("etc/apk/world")
	if err != nil {
		return nil
	}
	names := map[string]bool{}
	for _, n := range strings.Fields(string(b)) {
		names[apkName(n)] = true
	}
	return names
}
