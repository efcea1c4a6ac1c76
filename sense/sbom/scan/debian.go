package scan

import (
	"strings"

	"noroshi/bom"
)

// release reads of which distribution a folder is the root.
func (s *scanner) release() {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		b, err := s.read(name)
		if err != nil {
			continue
		}
		says := map[string]string{}
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				says[k] = strings.Trim(v, `"'`)
			}
		}
		s.vendor = says["ID"]
		if s.vendor != "" && says["VERSION_ID"] != "" {
			s.distro = s.vendor + "-" + says["VERSION_ID"]
		}
		return
	}
}

// qualifiers are those of a package of the distribution.
func (s *scanner) qualifiers(arch string) map[string]string {
	q := map[string]string{}
	if arch != "" {
		q["arch"] = arch
	}
	if s.distro != "" {
		q["distro"] = s.distro
	}
	return q
}

// dpkg reads the packages that dpkg has installed.
func (s *scanner) dpkg(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	vendor := s.vendor
	if vendor == "" {
		vendor = "debian"
	}
	automatic := s.automatic()
	at, needs := map[string]int{}, map[int]string{}
	for paragraph := range strings.SplitSeq(string(b), "\n\n") {
		p := fields(paragraph)
		// Files of status.d have no Status: what is there is installed.
		if st := p["Status"]; p["Package"] == "" || p["Version"] == "" || st != "" && !strings.HasSuffix(st, " installed") {
			continue
		}
		q := s.qualifiers(p["Architecture"])
		// A source package may have another name, and another version in brackets.
		if source, version, ok := strings.Cut(p["Source"], " ("); source != "" {
			if q["upstream"] = source; ok {
				q["upstream"] += "@" + strings.TrimSuffix(version, ")")
			}
		}
		i := s.add(bom.PURL{Type: "deb", Namespace: vendor, Name: p["Package"], Version: p["Version"], Qualifiers: q}, p["Maintainer"])
		at[p["Package"]] = i
		for virtual := range strings.SplitSeq(p["Provides"], ",") {
			if v, _, _ := strings.Cut(strings.TrimSpace(virtual), " "); v != "" {
				if _, real := at[v]; !real {
					at[v] = i
				}
			}
		}
		needs[i] = p["Pre-Depends"] + "," + p["Depends"]
		if !automatic[p["Package"]] {
			s.edge(bom.Root, i)
		}
	}
	for i := range len(s.sys.Components) {
		for group := range strings.SplitSeq(needs[i], ",") {
			for choice := range strings.SplitSeq(group, "|") {
				n, _, _ := strings.Cut(strings.TrimSpace(choice), " ")
				n, _, _ = strings.Cut(n, ":")
				if to, ok := at[n]; ok {
					s.edge(i, to)
				}
			}
		}
	}
	return nil
}

// automatic are the packages that are there only because others need them, as
// apt remembers; without its memory nothing is known to be.
func (s *scanner) automatic() map[string]bool {
	b, err := s.read("var/lib/apt/extended_states")
	if err != nil {
		return nil
	}
	names := map[string]bool{}
	for paragraph := range strings.SplitSeq(string(b), "\n\n") {
		if p := fields(paragraph); p["Auto-Installed"] == "1" {
			names[p["Package"]] = true
		}
	}
	return names
}

// fields are the fields of a paragraph; lines that go on are left out.
func fields(paragraph string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(paragraph) {
		if k, v, ok := strings.Cut(line, ":"); ok && k != "" && k[0] != ' ' && k[0] != '\t' {
			out[k] = strings.TrimSpace(v)
		}
	}
	return out
}
