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
		{advisory("A", "Alpine:v3.18", "openssl", `{"introduced":"0"},{"fixed":"3.1.4-r1"}`, ""),
			[]string{"pkg:apk/alpine/libssl3@3.1.4-r0?distro=alpine-3.18.4&upstream=openssl", "pkg:apk/alpine/openssl@3.1.4_rc1-r9?distro=3.18.2"},
			[]string{"pkg:apk/alpine/openssl@3.1.4-r1?distro=alpine-3.18.4", "pkg:apk/alpine/openssl@3.1.4-r0?distro=alpine-3.19.0", "pkg:apk/alpine/openssl@3.1.4-r0", "pkg:apk/wolfi/openssl@3.1.4-r0"}, "3.1.4-r1"},
		{advisory("A", "Wolfi", "openssl", `{"introduced":"0"},{"fixed":"3.3.0-r8"}`, ""),
			[]string{"pkg:apk/wolfi/libcrypto3@3.3.0-r7?upstream=openssl&distro=wolfi-20230201", "pkg:apk/wolfi/openssl@3.3.0"}, []string{"pkg:apk/wolfi/openssl@3.3.0-r8", "pkg:apk/chainguard/openssl@3.3.0-r7"}, "3.3.0-r8"},
		{advisory("A", "Red Hat:enterprise_linux:9::appstream", "nodejs", `{"introduced":"0"},{"fixed":"1:18.19.1-1.module+el9.3.0+21388+22892fb9"}`, ""),
			[]string{"pkg:rpm/redhat/nodejs@18.18.2-1.module%2Bel9?epoch=1&distro=rhel-9.3", "pkg:rpm/rhel/nodejs@1:18.1.0-1.module%2Bel9?distro=redhat-9"},
			[]string{"pkg:rpm/redhat/nodejs@16.20.2-1.el9?epoch=1&distro=rhel-9.3", "pkg:rpm/redhat/nodejs@18.18.2-1.module%2Bel9?epoch=1&distro=rhel-8.9", "pkg:rpm/almalinux/nodejs@18.18.2-1.module%2Bel9?epoch=1&distro=almalinux-9.3", "pkg:rpm/redhat/x@1?distro=rhel-9&upstream=nodejs-1-1.src.rpm"},
			"1:18.19.1-1.module+el9.3.0+21388+22892fb9"},
		{advisory("A", "AlmaLinux:8", "curl", `{"introduced":"0"},{"fixed":"7.61.1-33.el8_9.5"}`, ""),
			[]string{"pkg:rpm/almalinux/curl@7.61.1-33.el8?distro=almalinux-8.9&upstream=other-1-1.src.rpm"}, []string{"pkg:rpm/almalinux/curl@7.61.1-33.el8_9.5?distro=almalinux-8.9", "pkg:rpm/fedora/curl@7.61.1-33.el8?distro=fedora-8"}, "7.61.1-33.el8_9.5"},
		{advisory("A", "SUSE:Linux Enterprise Module for Basesystem 15 SP5", "openssl-1_1", `{"introduced":"0"},{"fixed":"1.1.1l-150500.17.25.1"}`, ""),
			[]string{"pkg:rpm/sles/libopenssl1_1@1.1.1l-150500.17.22.1?distro=sles-15.5&upstream=openssl-1_1-1.1.1l-150500.17.22.1.src.rpm", "pkg:rpm/suse/openssl-1_1@1.1.1l-150500.17.3.1?distro=sles-15.5"},
			[]string{"pkg:rpm/suse/openssl-1_1@1.1.1l-150500.17.25.1?distro=sles-15.5", "pkg:rpm/suse/openssl-1_1@1.1.1l-150500.17.3.1?distro=sles-15.4", "pkg:rpm/suse/openssl-1_1@1.1.1l-1?distro=sle-micro-5.5", "pkg:rpm/opensuse/openssl-1_1@1.1.1l-1?distro=opensuse-leap-15.5"}, "1.1.1l-150500.17.25.1"},
		{advisory("A", "SUSE:Linux Enterprise Server 12-LTSS", "bash", `{"introduced":"0"},{"fixed":"4.3-83.23.1"}`, ""), []string{"pkg:rpm/suse/bash@4.2?distro=sles-12"}, []string{"pkg:rpm/suse/bash@4.2?distro=sles-12.5"}, "4.3-83.23.1"},
		{advisory("A", "SUSE:Linux Enterprise Micro 5.5", "bash", `{"introduced":"0"},{"fixed":"4.4-1"}`, ""), []string{"pkg:rpm/suse/bash@4.2?distro=sle-micro-5.5"}, []string{"pkg:rpm/suse/bash@4.2?distro=sles-5.5", "pkg:rpm/suse/bash@4.2?distro=sle-micro"}, "4.4-1"},
		{advisory("A", "openSUSE:Leap 15.5", "xz", `{"introduced":"0"},{"fixed":"5.4.1"}`, ""), []string{"pkg:rpm/opensuse/xz@5.2?distro=opensuse-leap-15.5"}, []string{"pkg:rpm/opensuse/xz@5.2?distro=opensuse-tumbleweed-20240329"}, "5.4.1"},
		{advisory("A", "openSUSE:Tumbleweed", "xz", `{"introduced":"0"},{"fixed":"5.6.1.revertto5.4-3.2"}`, ""), []string{"pkg:rpm/opensuse-tumbleweed/xz@5.6.1-1.1?distro=opensuse-tumbleweed-20240329"}, []string{"pkg:rpm/opensuse/xz@5.2?distro=opensuse-leap-15.5"}, "5.6.1.revertto5.4-3.2"},
		{advisory("A", "NuGet", "Newtonsoft.Json", `{"introduced":"0"},{"fixed":"13.0.1"}`, ""),
			[]string{"pkg:nuget/newtonsoft.JSON@13.0.1-beta2", "pkg:nuget/Newtonsoft.Json@12.0.3.1"}, []string{"pkg:nuget/Newtonsoft.Json@13.0.1.0", "pkg:nuget/Newtonsoft.Json@v1"}, "13.0.1"},
		{advisory("A", "Packagist", "Symfony/Http-Kernel", `{"introduced":"5.0.0"},{"fixed":"5.4.20"}`, ""),
			[]string{"pkg:composer/symfony/http-kernel@v5.4.20-RC1", "pkg:composer/symfony/http-kernel@5.0"}, []string{"pkg:composer/symfony/http-kernel@5.4.20.0", "pkg:composer/symfony/http-kernel@dev-main"}, "5.4.20"},
		{advisory("A", "Pub", "http", `{"introduced":"0"},{"fixed":"0.13.3+1"}`, ""), []string{"pkg:pub/http@0.13.3"}, []string{"pkg:pub/http@0.13.3+2"}, "0.13.3+1"},
		{advisory("A", "Hex", "plug", `{"introduced":"0"},{"fixed":"1.0.4"}`, ""), []string{"pkg:hex/Plug@1.0.4-rc.0"}, []string{"pkg:hex/plug@1.0.4"}, "1.0.4"},
		{advisory("A", "CRAN", "readxl", `{"introduced":"0.1.0"},{"fixed":"1.4.1-1"}`, ""), []string{"pkg:cran/readxl@1.4.1"}, []string{"pkg:cran/readxl@1.4.1.1", "pkg:cran/ReadXL@1.4.1"}, "1.4.1-1"},
		{advisory("A", "Hackage", "aeson", `{"introduced":"0.4"},{"fixed":"2.0.1.0"}`, ""), []string{"pkg:hackage/aeson@2.0.1"}, []string{"pkg:hackage/aeson@2.0.1.0"}, "2.0.1.0"},
		{advisory("A", "SwiftURL", "https://github.com/Vapor/vapor.git", `{"introduced":"0"},{"fixed":"4.84.2"}`, ""), []string{"pkg:swift/github.com/vapor/vapor@4.84.1"}, []string{"pkg:swift/github.com/vapor/vapor@4.84.2"}, "4.84.2"},
		{advisory("A", "GitHub Actions", "tj-actions/changed-files", `{"introduced":"0"},{"fixed":"46"}`, ""), []string{"pkg:github/tj-actions/changed-files@v45.0.7"}, []string{"pkg:github/tj-actions/changed-files@v45", "pkg:github/tj-actions/changed-files@46.0.0", "pkg:github/tj-actions/changed-files@0123456789abcdef0123456789abcdef01234567"}, "46"},
		{advisory("A", "Bitnami", "wordpress", `{"introduced":"0"},{"fixed":"6.2.1"}`, ""), []string{"pkg:bitnami/wordpress@6.2.0-3"}, []string{"pkg:bitnami/wordpress@6.2.1-0"}, "6.2.1"},
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
	v.Add(bom.System{Name: "unsaid", Components: []bom.Component{q, p, {Name: "x"}, component(t, "pkg:npm/p@main"), component(t, "pkg:conan/x@1")}})
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
		"other.json":     strings.NewReader(advisory("O", "ConanCenter", "x", `{"introduced":"0"}`, "")),
		"version.json":   strings.NewReader(advisory("V", "npm", "p", `{"introduced":"x.y"}`, `,"versions":["1.0.0"]`)),
		"broken.json":    strings.NewReader("{"),
		"none.json":      strings.NewReader("{}"),
		"bomb.json":      io.LimitReader(zeros{}, 40<<20),
		"readme.md":      strings.NewReader("# no"),
	}))
	if err != nil || r.Advisories != 4 || r.Withdrawn != 1 || r.Unusable != 1 || r.Refused != 3 || r.Foreign["ConanCenter"] != 1 || len(r.Said) != 4 {
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
