package affected

import (
	"testing"

	"gopkg.in/yaml.v3"
)

// FuzzYAML reads hostile advisories in YAML; what is cut out before the parser
// changes nothing of an ordinary one.
func FuzzYAML(f *testing.F) {
	const ordinary = "id: A\ndetails: |\n  id: B\n  - x\n\naliases:\n- CVE-1\nmodified: '2'\naffected:\n- package:\n    name: p\n    ecosystem: PyPI\n  versions:\n  - 1.10\nreferences:\n- url: x\n"
	f.Add([]byte(ordinary))
	f.Add([]byte("{id: A}"))
	f.Add([]byte("id: &a [x]\naliases: *a\n"))
	var cut, whole osv
	if err := readYAML([]byte(ordinary), &cut); err != nil {
		f.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(ordinary), &whole); err != nil {
		f.Fatal(err)
	}
	if cut.ID != "A" || whole.ID != "A" || cut.Aliases[0] != "CVE-1" || cut.Affected[0].Versions[0] != "1.10" || whole.Affected[0].Versions[0] != "1.10" {
		f.Errorf("%+v is not %+v", cut, whole)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var x osv
		if readYAML(b, &x) == nil {
			_ = New().take(&x, &Report{}) // It only must not panic.
		}
	})
}
