package affected

import (
	"bytes"

	"gopkg.in/yaml.v3"
)

// needed are the parts of an advisory that are read.
var needed = map[string]bool{"id": true, "modified": true, "withdrawn": true, "aliases": true, "summary": true, "severity": true, "affected": true}

// readYAML reads an advisory in YAML. Prose is most of one and nothing here needs
// it, so the top-level parts that are not needed are cut out before the
// parser, which is slow, sees them. In block style a part begins at a letter in the first
// column; another style is parsed whole.
func readYAML(b []byte, x *osv) error {
	var cut bytes.Buffer
	keep := false
	for line := range bytes.Lines(b) {
		if c := line[0]; c >= 'a' && c <= 'z' {
			key, _, ok := bytes.Cut(line, []byte(":"))
			keep = !ok || needed[string(key)]
		} else if c == '{' || c == '%' || c == '"' || c == '\'' {
			return yaml.Unmarshal(b, x)
		}
		if keep {
			cut.Write(line)
		}
	}
	return yaml.Unmarshal(cut.Bytes(), x)
}
