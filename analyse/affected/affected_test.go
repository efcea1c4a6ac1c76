package affected_test

import (
	"archive/zip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"noroshi/analyse/affected"
	"noroshi/bom"
	"noroshi/fault"
)

// component is one by its package URL.
func component(t *testing.T, purl string) bom.Component {
	t.Helper()
	p, err := bom.ParsePURL(purl)
	if err != nil {
		t.Fatal(err)
	}
	return bom.Component{Name: p.Name, Version: p.Version, PURL: p}
}

// with knows the advisories of texts in JSON.
func with(t *testing.T, texts ...string) *affected.Advisories {
	t.Helper()
	a := affected.New()
	for _, s := range texts {
		if err := a.AddJSON([]byte(s), &affected.Report{}); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// hit says which advisories hit one package URL, and the fixed versions.
func hit(t *testing.T, a *affected.Advisories, purl string) (by, fixed []string) {
	t.Helper()
	v := affected.NewInventory()
	v.Add(bom.System{Name: "s", Components: []bom.Component{component(t, purl)}})
	for _, h := range v.Check(a)[0].Hits {
		by, fixed = append(by, strings.Join(h.By, "+")), append(fixed, h.Fixed)
	}
	return by, fixed
}

func advisory(id, ecosystem, name, events, more string) string {
	return `{"id":"` + id + `","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"` + ecosystem + `","name":"` + name + `"},
		"ranges":[{"type":"GIT","events":[{"introduced":"0"}]},{"type":"ECOSYSTEM","events":[` + events + `]}]` + more + `}]}`
}

func TestRangesOfEveryEcosystem(t *testing.T) {
	for _, c := range []struct {
		advisory string
		in, out  []string
		fixed    string // of the first
	}{
		{advisory("A", "Go", "example.test/Mod", `{"introduced":"0"},{"fixed":"1.2.0"},{"introduced":"1.3.0-0"},{"fixed":"1.3.5"}`, ""),
			[]string{"pkg:golang/example.test/mod@v1.1.0", "pkg:golang/example.test/mod@1.2.0-rc.1", "pkg:golang/example.test/mod@v1.3.0-rc1"},
			[]string{"pkg:golang/example.test/mod@v1.2.0", "pkg:golang/example.test/mod@v1.3.5+incompatible", "pkg:golang/example.test/mod/v2@v1.1.0", "pkg:npm/example.test/mod@1.1.0"}, "1.2.0"},
		{advisory("A", "Go", "stdlib", `{"introduced":"1.22.0-0"},{"fixed":"1.22.2"}`, ""),
			[]string{"pkg:golang/stdlib@1.22rc1", "pkg:golang/stdlib@go1.22.1"}, []string{"pkg:golang/stdlib@1.22.2", "pkg:golang/stdlib@1.21.9"}, "1.22.2"},
		{advisory("A", "PyPI", "Foo.Bar", `{"fixed":"2.0"},{"introduced":"1.0rc1"}`, `,"versions":["0.5","odd one"]`),
			[]string{"pkg:pypi/foo-bar@1.0.0", "pkg:pypi/Foo_bar@1.0rc2", "pkg:pypi/foo-bar@2.0.dev1", "pkg:pypi/foo-bar@0.5", "pkg:pypi/foo-bar@odd%20one"},
			[]string{"pkg:pypi/foo-bar@2.0.0", "pkg:pypi/foo-bar@1.0b1", "pkg:pypi/foo-bar@0.5.0"}, "2.0"},
		{advisory("A", "npm", "@s/p", `{"introduced":"1.0.0"},{"last_affected":"1.5.0"}`, ""),
			[]string{"pkg:npm/%40s/p@1.5.0"}, []string{"pkg:npm/%40s/p@1.5.1", "pkg:npm/p@1.5.0"}, ""},
		{advisory("A", "Debian:12", "openssl", `{"introduced":"0"},{"fixed":"3.0.11-1~deb12u2"}`, ""),
			[]string{"pkg:deb/debian/libssl3@3.0.11-1~deb12u1?distro=debian-12&upstream=openssl", "pkg:deb/debian/x@9?distro=bookworm&upstream=openssl%403.0.9-1", "pkg:deb/debian/openssl@3.0.9?distro=debian-12.4"},
			[]string{"pkg:deb/debian/libssl3@3.0.11-1~deb12u2?distro=debian-12&source=openssl", "pkg:deb/debian/openssl@3.0.9?distro=debian-11", "pkg:deb/debian/openssl@3.0.9", "pkg:deb/ubuntu/openssl@3.0.9?distro=ubuntu-12"}, "3.0.11-1~deb12u2"},
		{advisory("A", "Ubuntu:22.04:LTS", "curl", `{"introduced":"0"},{"fixed":"7.81.0-1ubuntu1.15"}`, ""),
			[]string{"pkg:deb/ubuntu/curl@7.81.0-1ubuntu1.14?distro=ubuntu-22.04"}, []string{"pkg:deb/ubuntu/curl@7.81.0-1ubuntu1.14?distro=ubuntu-22.10"}, "7.81.0-1ubuntu1.15"},
		{advisory("A", "Rocky Linux:9", "curl", `{"introduced":"0"},{"fixed":"0:7.76.1-26.el9_3.2"}`, ""),
			[]string{"pkg:rpm/rocky/curl@7.76.1-26.el9?distro=rocky-9.3", "pkg:rpm/rocky-linux/curl@7.76.1-26.el9?distro=rocky-9"},
			[]string{"pkg:rpm/rocky/curl@7.76.1-26.el9?epoch=1&distro=rocky-9.3", "pkg:rpm/rocky/curl@7.76.1-26.el9?distro=rocky-8.9"}, "0:7.76.1-26.el9_3.2"},
		{advisory("A", "Maven", "org.test:lib", `{"introduced":"2.0-beta9"},{"fixed":"2.15.0"}`, ""),
			[]string{"pkg:maven/org.test/lib@2.14.1", "pkg:maven/org.test/lib@2.0-rc1"}, []string{"pkg:maven/org.test/lib@2.15.0", "pkg:maven/org.test/lib@2.0-beta8"}, "2.15.0"},
		{advisory("A", "RubyGems", "rails", `{"introduced":"7.0.0.rc1"},{"limit":"8.0.0"}`, ""),
			[]string{"pkg:gem/rails@7.0.0"}, []string{"pkg:gem/rails@8.0.1", "pkg:gem/rails@7.0.0.beta"}, ""},
		{advisory("A", "crates.io", "serde", `{"introduced":"0.0.0-0"},{"fixed":"1.0.0"},{"introduced":"2.0.0"}`, ""),
			[]string{"pkg:cargo/serde@0.9.0", "pkg:cargo/serde@3.0.0"}, []string{"pkg:cargo/serde@1.5.0"}, "1.0.0"},
	} {
		a := with(t, c.advisory)
		for i, purl := range c.in {
			if by, fixed := hit(t, a, purl); len(by) != 1 || i == 0 && fixed[0] != c.fixed {
				t.Errorf("%s should be hit: %v, fixed in %v", purl, by, fixed)
			}
		}
		for _, purl := range c.out {
			if by, _ := hit(t, a, purl); len(by) != 0 {
				t.Errorf("%s should not be hit: %s", purl, c.advisory)
			}
		}
	}
}

func named(id, aliases, modified, withdrawn, fixed string) string {
	return `{"id":"` + id + `","aliases":[` + aliases + `],"modified":"` + modified + `","withdrawn":"` + withdrawn + `","affected":[{"package":{"ecosystem":"npm","name":"p"},
		"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"` + fixed + `"}]}]}]}`
}

func TestAliasesAreOneWeakness(t *testing.T) {
	a := with(t, named("GHSA-1", `"CVE-1"`, "1", "", "1.2.0"), named("SNYK-1", `"CVE-1"`, "1", "", "1.3.0"), named("GHSA-2", `"CVE-2"`, "1", "", "1.9.0"))
	by, fixed := hit(t, a, "pkg:npm/p@1.0.0")
	if !reflect.DeepEqual(by, []string{"GHSA-1+SNYK-1", "GHSA-2"}) || !reflect.DeepEqual(fixed, []string{"1.3.0", "1.9.0"}) {
		t.Errorf("%v, fixed in %v", by, fixed)
	}
	// What one of them says is enough.
	if by, _ := hit(t, a, "pkg:npm/p@1.2.0"); !reflect.DeepEqual(by, []string{"SNYK-1", "GHSA-2"}) {
		t.Errorf("%v", by)
	}
}

func TestLaterWordsCount(t *testing.T) {
	for name, c := range map[string]struct {
		texts []string
		want  int
	}{
		"withdrawn from the start": {[]string{named("A", "", "1", "2026-01-01T00:00:00Z", "2.0.0")}, 0},
		"withdrawn later":          {[]string{named("A", "", "1", "", "2.0.0"), named("A", "", "2", "2026-01-01T00:00:00Z", "2.0.0")}, 0},
		"withdrawn before":         {[]string{named("A", "", "2", "", "2.0.0"), named("A", "", "1", "2026-01-01T00:00:00Z", "2.0.0")}, 1},
		"twice the same":           {[]string{named("A", "", "1", "", "2.0.0"), named("A", "", "1", "", "2.0.0")}, 1},
		"corrected":                {[]string{named("A", "", "1", "", "2.0.0"), named("A", "", "2", "", "0.5.0")}, 0},
		"corrected, read before":   {[]string{named("A", "", "2", "", "0.5.0"), named("A", "", "1", "", "2.0.0")}, 0},
	} {
		if by, _ := hit(t, with(t, c.texts...), "pkg:npm/p@1.0.0"); len(by) != c.want {
			t.Errorf("%s: %v", name, by)
		}
	}
}

func TestWhoIsHit(t *testing.T) {
	v := affected.NewInventory()
	p, q := component(t, "pkg:npm/p@1.0.0"), component(t, "pkg:npm/q@1.0.0")
	v.Add(bom.System{Name: "far", Version: "1", Components: []bom.Component{p, q}, Edges: []bom.Edge{{From: bom.Root, To: 1}, {From: 1, To: 0}}})
	v.Add(bom.System{Name: "fixed", Components: []bom.Component{component(t, "pkg:npm/p@2.0.0")}})
	v.Add(bom.System{Name: "unsaid", Components: []bom.Component{q, p, {Name: "x"}, component(t, "pkg:npm/p@main"), component(t, "pkg:nuget/x@1")}})
	a := with(t, named("GHSA-1", `"CVE-1"`, "1", "", "2.0.0"))
	if _, err := v.WhoIsHit(a, "CVE-9"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	for _, name := range []string{"CVE-1", "GHSA-1"} {
		got, err := v.WhoIsHit(a, name)
		if err != nil || len(got) != 2 || got[0].System != "far" || got[1].System != "unsaid" {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		if h := got[0].Hits[0]; h.Component != "p 1.0.0" || h.Fixed != "2.0.0" || !reflect.DeepEqual(h.Path(), []string{"q 1.0.0", "p 1.0.0"}) {
			t.Errorf("%+v", h)
		}
		if h := got[1].Hits[0]; h.Path() != nil {
			t.Errorf("a path that no dependency says: %v", h.Path())
		}
	}
	all := v.Check(a)
	if want := map[string]int{affected.NoPURL: 1, affected.OddVersion: 1, affected.OtherType: 1}; !reflect.DeepEqual(all[2].Unjudged, want) || all[0].Unjudged != nil {
		t.Errorf("not judged: %v", all[2].Unjudged)
	}
	text, err := json.Marshal(all[0])
	if err != nil || !strings.Contains(string(text), `"weakness":"CVE-1"`) || !strings.Contains(string(text), `"path":["q 1.0.0","p 1.0.0"]`) {
		t.Errorf("%s, %v", text, err)
	}
	// A new advisory is known at once.
	if err := a.AddJSON([]byte(advisory("NEW", "npm", "q", `{"introduced":"0"}`, "")), &affected.Report{}); err != nil {
		t.Fatal(err)
	}
	if got, err := v.WhoIsHit(a, "NEW"); err != nil || len(got) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

// archive makes a zip file.
func archive(t *testing.T, files map[string]io.Reader) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.zip")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for n, r := range files {
		w, err := z.Create(n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestBrokenEntriesHideNoOthers(t *testing.T) {
	a := affected.New()
	r, err := a.LoadZip(archive(t, map[string]io.Reader{
		"good.json":      strings.NewReader(named("A", "", "1", "", "2.0.0")),
		"good.yaml":      strings.NewReader("id: B\ndetails: |\n  affected: not here\nmodified: '1'\naffected:\n- package: {name: p, ecosystem: npm}\n  ranges:\n  - type: SEMVER\n    events:\n    - introduced: '0'\n    - fixed: 1.10\n"),
		"flow.yaml":      strings.NewReader(`{id: C, affected: [{package: {name: p, ecosystem: npm}, versions: ["1.0.0"]}]}`),
		"withdrawn.json": strings.NewReader(named("W", "", "1", "2026-01-01T00:00:00Z", "2.0.0")),
		"other.json":     strings.NewReader(advisory("O", "NuGet", "x", `{"introduced":"0"}`, "")),
		"version.json":   strings.NewReader(advisory("V", "npm", "p", `{"introduced":"x.y"}`, `,"versions":["1.0.0"]`)),
		"broken.json":    strings.NewReader("{"),
		"none.json":      strings.NewReader("{}"),
		"bomb.json":      io.LimitReader(zeros{}, 40<<20),
		"readme.md":      strings.NewReader("# no"),
	}))
	if err != nil || r.Advisories != 4 || r.Withdrawn != 1 || r.Unusable != 1 || r.Refused != 3 || r.Foreign["NuGet"] != 1 || len(r.Said) != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	if by, _ := hit(t, a, "pkg:npm/p@1.0.0"); len(by) != 4 {
		t.Errorf("%v", by)
	}
	if by, _ := hit(t, a, "pkg:npm/p@1.9.0"); len(by) != 2 {
		t.Errorf("a version like 1.10 is no number: %v", by)
	}
}

func TestWhatIsNoFileOfAdvisoriesIsRefused(t *testing.T) {
	text := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(text, []byte("no zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{
		text: "zip file", filepath.Join(t.TempDir(), "nowhere"): "no such file",
		archive(t, map[string]io.Reader{"a.md": strings.NewReader("x")}): "1 entries are .md",
	} {
		if _, err := affected.New().LoadZip(name); fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.PublicOf(err), says) || !strings.HasPrefix(fault.PublicOf(err), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzAddJSON(f *testing.F) {
	f.Add([]byte(advisory("A", "PyPI", "p", `{"introduced":"0"},{"fixed":"1.0"}`, `,"versions":["1"]`)), "pkg:pypi/p@0.9")
	f.Add([]byte(named("A", `"B"`, "1", "", "2.0.0")), "pkg:npm/p@1.0.0")
	f.Fuzz(func(t *testing.T, text []byte, purl string) {
		a := affected.New()
		if err := a.AddJSON(text, &affected.Report{}); err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Error(err)
			}
			return
		}
		p, err := bom.ParsePURL(purl)
		if err != nil {
			return
		}
		v := affected.NewInventory()
		v.Add(bom.System{Name: "s", Components: []bom.Component{{PURL: p}}})
		for _, h := range v.Check(a)[0].Hits {
			if got, err := v.WhoIsHit(a, h.Weakness.Weakness); err != nil || len(got) != 1 {
				t.Errorf("%q is hit by %q, which hits %v (%v)", purl, h.Names, got, err)
			}
		}
	})
}
