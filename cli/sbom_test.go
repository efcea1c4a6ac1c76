package cli_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"noroshi/bom"
)

// TestSBOMFromFolderToAnswer scans a folder, checks what was written, and asks
// who is hit, as an operator does.
func TestSBOMFromFolderToAnswer(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	file("shop/package-lock.json", `{"name":"shop","version":"3.1.0","packages":{"":{"dependencies":{"web":"1"}},"node_modules/web":{"version":"1.0.0","dependencies":{"left":"2"}},"node_modules/left":{"version":"2.0.0"}}}`)
	advisories := filepath.Join(dir, "npm.zip")
	f, err := os.Create(advisories)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	w, err := z.Create("GHSA-1.json")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, `{"id":"GHSA-1","aliases":["CVE-2026-1000"],"modified":"1","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],"affected":[{"package":{"ecosystem":"npm","name":"left"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"2.0.1"}]}]}]}`)
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	sbom, other := filepath.Join(dir, "shop.cdx.json"), file("other.spdx", "SPDXVersion: SPDX-2.3\nDocumentName: other\n")
	fresh := file("fresh.json", `{"id":"X-1","affected":[{"package":{"ecosystem":"npm","name":"web"},"versions":["1.0.0"]}]}`)
	known := file("kev.json", `{"vulnerabilities":[{"cveID":"CVE-2026-1000","dateAdded":"2026-01-02","knownRansomwareCampaignUse":"Known"}]}`) +
		"," + file("epss.csv", "cve,epss,percentile\nCVE-2026-1000,0.9,0.99\n")
	many := `{"vulnerabilities":[`
	for i := range 20 {
		many += fmt.Sprintf(`{"cveID":"CVE-2026-20%02d","dateAdded":"2026-01-02"},`, i)
	}
	before, after := file("old/feed.json", strings.TrimSuffix(many, ",")+"]}"), file("new/feed.json", `{"vulnerabilities":[{"cveID":"CVE-2026-2000","dateAdded":"2026-01-02"}]}`)
	memory := filepath.Join(dir, "memory.json")
	decided := file("ours.json", `{"@context":"https://openvex.dev/ns/v0.2.0","author":"Ann","timestamp":"2026-01-02T00:00:00Z","statements":[{"vulnerability":"CVE-2026-1000","products":[{"@id":"pkg:npm/left"}],"status":"not_affected","impact_statement":"it is not called"},{"vulnerability":"X","products":[],"status":"fixed"}]}`)
	appliance := file("appliance.json", `{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{"component":{"name":"appliance","bom-ref":"x"}},"components":[
		{"name":"mysql","version":"5.7.1","cpe":"cpe:2.3:a:oracle:mysql:*:*:*:*:*:*:*:*"},{"name":"left","version":"1.0.0","purl":"pkg:npm/left@1.0.0","cpe":"cpe:2.3:a:left:left:1.0.0:*:*:*:*:*:*:*"}]}`)
	national := file("nvd.json", `{"vulnerabilities":[{"cve":{"id":"CVE-2026-3000","configurations":[{"nodes":[{"operator":"OR","cpeMatch":[{"vulnerable":true,"criteria":"cpe:2.3:a:oracle:mysql:*:*:*:*:*:*:*:*","versionEndExcluding":"5.7.2"}]}]}]}},
		{"cve":{"id":"CVE-2026-3001","configurations":[{"nodes":[{"operator":"OR","cpeMatch":[{"vulnerable":true,"criteria":"cpe:2.3:a:left:left:*:*:*:*:*:*:*:*"}]}]}]}},{"cve":{"id":"CVE-2026-3002"}}]}`)
	lying := `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"file","bom-ref":"m","name":"go.mod","hashes":[{"alg":"SHA-256","content":"` + strings.Repeat("0", 64) + `"}]},{"type":"file","name":"gone","hashes":[{"alg":"MD5","content":"` + strings.Repeat("0", 32) + `"}]}]}`
	export := []string{"vex", "--author", "Ann", "--id", "https://example.org/1", "--advisories", advisories, sbom, "--vex", decided, "--format"}
	for _, c := range []struct {
		code int
		says []string
		args []string
	}{
		{0, nil, []string{"scan", filepath.Join(dir, "shop"), "--output", sbom, "--author", "Ann"}},
		{0, []string{"of 100", "supplier", "2 of 2 lack it"}, []string{"quality", sbom}},
		{0, []string{"shop 3.1.0", "CVE-2026-1000", "left 2.0.0", "2.0.1", "web 1.0.0", "1 of 2 systems are hit, 1 times"}, []string{"check", sbom, other, "--advisories", advisories}},
		{0, []string{`"weakness": "CVE-2026-1000"`}, []string{"who-is-hit", "--json", "GHSA-1", "--advisories", advisories, sbom}},
		{0, []string{"none of 1 systems is hit"}, []string{"who-is-hit", "CVE-2026-1000", "--advisories", advisories, other}},
		{0, []string{"1 of 1 systems are hit"}, []string{"who-is-hit", "X-1", "--advisories", advisories + "," + fresh, sbom}},
		{0, []string{"act: mend it as soon as possible", "by ransomware too since 2026-01-02", "the importance of the system"}, []string{"check", "--known", known, "--exposure", "outside", "--importance", "high", sbom, "--advisories", advisories}},
		{0, []string{"track: 通常の更新", "インターネットから到達できません"}, []string{"check", "--known", known, "--exposure", "inside", "--importance", "low", "--lang", "ja", sbom, "--advisories", advisories}},
		{0, []string{`"decision": "act"`, `"ransomware": true`, `"epss": 0.9`, `"score": 9.8`}, []string{"who-is-hit", "CVE-2026-1000", "--json", "--known", known, sbom, "--advisories", advisories}},
		{0, []string{"0 of 1 systems are hit, 0 times", "decided: shop 3.1.0, CVE-2026-1000 in left 2.0.0: not_affected, it is not called (Ann 2026-01-02)", "statements[1]"}, []string{"check", "--vex", decided, sbom, "--advisories", advisories}},
		{0, []string{`"status": "not_affected"`}, []string{"check", "--json", "--vex", decided, sbom, "--advisories", advisories}},
		{0, []string{`"impact_statement": "it is not called"`, `"pkg:npm/left@2.0.0"`}, append(slices.Clip(export), "openvex")},
		{0, []string{`"state": "not_affected"`}, append(slices.Clip(export), "cyclonedx")},
		{0, []string{`"known_not_affected"`}, append(slices.Clip(export), "csaf")},
		{2, []string{"there are openvex, cyclonedx, csaf"}, append(slices.Clip(export), "pdf")},
		{2, []string{"who says so"}, []string{"vex", sbom}},
		{2, []string{"neither OpenVEX"}, []string{"check", "--vex", file("no.vex.json", "{}"), sbom, "--advisories", advisories}},
		{0, []string{"NVD, 3 weaknesses, 2 about", "CVE-2026-3000", "mysql 5.7.1 (by its CPE, low confidence)", "CVE-2026-1000", "1 of 1 systems are hit, 2 times"}, []string{"check", "--nvd", national, appliance, "--advisories", advisories}},
		{0, []string{"CVE-2026-3001", "1 of 1 systems are hit, 2 times"}, []string{"check", "--nvd", national, appliance}},
		{0, []string{"CVE-2026-3000", "1 of 1 systems are hit, 1 times"}, []string{"who-is-hit", "CVE-2026-3000", "--nvd", national, appliance, "--advisories", advisories}},
		{0, []string{"none of 1 systems is hit"}, []string{"who-is-hit", "CVE-2026-3001", "--nvd", national, appliance, "--advisories", advisories}},
		{2, []string{"--importance takes"}, []string{"check", "--importance", "huge", sbom, "--advisories", advisories}},
		{2, []string{"--exposure takes"}, []string{"check", "--exposure", "huge", sbom, "--advisories", advisories}},
		{0, nil, []string{"check", "--remember", memory, "--known", before, sbom, "--advisories", advisories}},
		{1, []string{"new/feed.json", "lost 95 %"}, []string{"check", "--remember", memory, "--known", after, sbom, "--advisories", advisories}},
		{0, nil, []string{"check", "--remember", memory, "--known", before, sbom, "--advisories", advisories}},
		{2, []string{"fresh.json.json", "no OSV advisory"}, []string{"check", "--advisories", file("fresh.json.json", "{}"), sbom}},
		{4, []string{"no advisory that was loaded speaks of"}, []string{"who-is-hit", "CVE-2026-2", "--advisories", advisories, sbom}},
		{4, []string{"no lock file, no program of Go"}, []string{"scan", t.TempDir()}},
		{4, []string{"no such file"}, []string{"quality", filepath.Join(dir, "nowhere")}},
		{2, []string{other + "x"}, []string{"quality", file("other.spdxx", "nothing")}},
		{2, []string{"--advisories"}, []string{"check", sbom}},
		{1, []string{"another content: go.mod is SHA-256:", "bom-ref m says SHA-256:00", "0 files are as the bill says, 1 have another content, 1 are not there"}, []string{"verify", file("lying.json", lying), filepath.Dir(file("files/go.mod", "module x"))}},
		{4, []string{"no hash of a file"}, []string{"verify", sbom, dir}},
		{2, []string{"say what and where"}, []string{"verify", sbom}},
		{2, []string{"say of what"}, []string{"check"}},
		{2, []string{"say what"}, []string{"bake"}},
	} {
		code, out := run(t, append([]string{"sbom"}, c.args...)...)
		if code != c.code {
			t.Errorf("%q ends with %d: %s", c.args, code, out)
		}
		for _, s := range c.says {
			if !strings.Contains(out, s) {
				t.Errorf("%q does not say %q: %s", c.args, s, out)
			}
		}
	}
}

// TestAgreesWithOSVScanner checks the public systems: every answer of osv-scanner
// 2.4.0 whose advisory is in the files is given here, too.
func TestAgreesWithOSVScanner(t *testing.T) {
	data := filepath.Join("..", "..", "shared", "data", "exposure")
	if _, err := os.Stat(data); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("the public systems are not there:", err)
	}
	files := []string{filepath.Join(data, "osv-go.zip"), filepath.Join(data, "pypa-advisories.zip")}
	known := map[string]bool{}
	for _, name := range files {
		z, err := zip.OpenReader(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range z.File {
			known[strings.TrimSuffix(path.Base(e.Name), path.Ext(e.Name))] = true
		}
		_ = z.Close()
	}
	args := append([]string{"sbom", "check", "--json", "--advisories", strings.Join(files, ",")}, systems(t, filepath.Join(data, "sbom-corpus", "sys-000-159.tgz"))...)
	code, out := run(t, args...)
	if code != 0 {
		t.Fatal(out)
	}
	var results []struct {
		System string
		Hits   []struct {
			By   []string
			PURL string
		}
	}
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&results); err != nil {
		t.Fatal(err)
	}
	type answer struct{ system, pkg, version, advisory string }
	ours := map[answer]bool{}
	for _, r := range results {
		for _, h := range r.Hits {
			p, err := bom.ParsePURL(h.PURL)
			if err != nil {
				t.Fatal(err)
			}
			for _, by := range h.By {
				ours[answer{r.System, p.Package(), strings.TrimPrefix(p.Version, "v"), by}] = true
			}
		}
	}
	var theirs []struct {
		SBOM string
		Hits [][4]string
	}
	b, err := os.ReadFile(filepath.Join(data, "sbom-corpus", "osv-scanner-2.4.0-answers.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&theirs); err != nil {
		t.Fatal(err)
	}
	given := 0
	for _, x := range theirs {
		for _, h := range x.Hits {
			if !known[h[3]] {
				continue
			}
			p := bom.PURL{Type: map[string]string{"Go": "golang", "PyPI": "pypi"}[h[0]], Name: h[1]}.Normal()
			a := answer{strings.TrimSuffix(x.SBOM, ".cdx.json"), p.Package(), strings.TrimPrefix(h[2], "v"), h[3]}
			if !ours[a] {
				t.Errorf("not given: %v", a)
			}
			given++
		}
	}
	if given < 12_000 {
		t.Errorf("only %d answers were compared", given)
	}
}

// systems unpacks bills of materials.
func systems(t *testing.T, archive string) (files []string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.Base(h.Name))
		w, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, r); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
}
