package scan

import (
	"strings"

	"noroshi/bom"
)

// gemfileLock reads Bundler's: under "specs:" of the section GEM a line for each
// gem, and one deeper for what it needs; under DEPENDENCIES what the system needs.
func (s *scanner) gemfileLock(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	g := s.graph()
	section, self := "", -1
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		text := strings.TrimLeft(line, " ")
		word, rest, _ := strings.Cut(strings.TrimSuffix(text, "!"), " (")
		switch indent := len(line) - len(text); {
		case text == "":
		case indent == 0:
			section, self = text, -1
		case section == "DEPENDENCIES" && indent == 2:
			g.needs(bom.Root, word)
		case section == "GEM" && indent == 4:
			// A gem for one platform has it behind its version.
			version, _, _ := strings.Cut(strings.TrimSuffix(rest, ")"), "-")
			if self = -1; version != "" {
				self = g.take(bom.PURL{Type: "gem", Name: word, Version: version})
				g.call(self, word)
			}
		case section == "GEM" && indent == 6 && self >= 0:
			g.needs(self, word)
		}
	}
	g.join()
	return nil
}
