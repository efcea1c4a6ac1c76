package scan_test

import (
	"strings"
	"testing"

	"noroshi/sense/sbom/scan"
)

// kinds are the files that a scan reads as text.
var kinds = []string{"go.mod", "package-lock.json", "lib/x.dist-info/METADATA", "requirements.txt", "var/lib/dpkg/status", "etc/os-release", "go.sum", "var/lib/apt/extended_states",
	"lib/apk/db/installed", "Cargo.lock", "poetry.lock", "uv.lock", "Pipfile.lock", "Gemfile.lock", "composer.lock", "packages.lock.json", "pom.xml", "gradle.lockfile", "yarn.lock", "pnpm-lock.yaml", "lib/node_modules/a/package.json", "var/lib/rpm/rpmdb.sqlite"}

func FuzzDir(f *testing.F) {
	f.Add(uint8(0), "module a\ngo 1.16\nrequire (\n\tb v1 // indirect\n)\nreplace b => c v2\n")
	f.Add(uint8(1), `{"name":"a","dependencies":{"b":{"version":"1","requires":{"c":"1"},"dependencies":{"c":{"version":"2"}}}}}`)
	f.Add(uint8(1), `{"packages":{"":{"dependencies":{"b":"1"}},"node_modules/b":{"version":"1","peerDependencies":{"b":"1"}}}}`)
	f.Add(uint8(2), "Name: a\nVersion: 1\nRequires-Dist: x (>1)\n\nx")
	f.Add(uint8(3), "a==1 --hash=x\n")
	f.Add(uint8(4), "Package: a\nVersion: 1\nDepends: a | b (>= 1), c:any\nSource: s (2)\nProvides: c\n\n")
	f.Add(uint8(8), "P:a\nV:1\nD:b>1 !c\np:d=1\n\nP:b\nV:2\no:s\n")
	f.Add(uint8(9), "[[package]]\nname = \"a\"\nversion = \"1\"\nsource = \"registry+x\"\ndependencies = [\n \"a\",\n]\n")
	f.Add(uint8(13), "GEM\n  specs:\n    a (1-x)\n      b (~> 1)\nDEPENDENCIES\n  a!\n")
	f.Add(uint8(16), "<project><properties><a>${a}${a}</a></properties><dependencies><dependency><groupId>g</groupId><artifactId>a</artifactId><version>${a}</version></dependency></dependencies></project>")
	f.Add(uint8(18), "\"@s/a@^1\", b@npm:c@1:\n  version \"1\"\n  dependencies:\n    \"@s/a\": \"^1\"\n")
	f.Add(uint8(19), "importers: {.: {dependencies: {a: 1.0.0, b: {version: a@1.0.0}}}}\npackages: {/a/1.0.0_x: {dependencies: {a: 1.0.0}}, '@s/a@1(b)': {}}\n")
	f.Add(uint8(21), "SQLite format 3\x00\x02\x00\x01\x01\x00"+strings.Repeat("\x00", 79)+"\x0d\x00\x00\x00\x01\x00\x00\x00\x01\x00"+strings.Repeat("\x00", 402))
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
