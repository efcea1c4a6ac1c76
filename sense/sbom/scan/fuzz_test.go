package scan_test

import (
	"testing"

	"noroshi/sense/sbom/scan"
)

// kinds are the files that a scan reads as text.
var kinds = []string{"go.mod", "package-lock.json", "lib/x.dist-info/METADATA", "requirements.txt", "var/lib/dpkg/status", "etc/os-release", "go.sum", "var/lib/apt/extended_states"}

func FuzzDir(f *testing.F) {
	f.Add(uint8(0), "module a\ngo 1.16\nrequire (\n\tb v1 // indirect\n)\nreplace b => c v2\n")
	f.Add(uint8(1), `{"name":"a","dependencies":{"b":{"version":"1","requires":{"c":"1"},"dependencies":{"c":{"version":"2"}}}}}`)
	f.Add(uint8(1), `{"packages":{"":{"dependencies":{"b":"1"}},"node_modules/b":{"version":"1","peerDependencies":{"b":"1"}}}}`)
	f.Add(uint8(2), "Name: a\nVersion: 1\nRequires-Dist: x (>1)\n\nx")
	f.Add(uint8(3), "a==1 --hash=x\n")
	f.Add(uint8(4), "Package: a\nVersion: 1\nDepends: a | b (>= 1), c:any\nSource: s (2)\nProvides: c\n\n")
	f.Fuzz(func(t *testing.T, kind uint8, text string) {
		name := kinds[int(kind)%len(kinds)]
		files := map[string]string{name: text}
		if name == "go.sum" {
			files["go.mod"] = "module a\n"
		}
		r, err := scan.Dir(folder(t, files))
		if err != nil {
			t.Fatal(err)
		}
		n := len(r.System.Components)
		for _, e := range r.System.Edges {
			if e.From < -1 || e.From >= n || e.To < -1 || e.To >= n {
				t.Fatalf("%v among %d components", e, n)
			}
		}
		r.System.Parents()
	})
}
