package vex

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"noroshi/bom"
)

func purl(t testing.TB, s string) bom.PURL {
	t.Helper()
	p, err := bom.ParsePURL(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var day = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

func TestADecisionLastsUntilItsConditionChanges(t *testing.T) {
	shop := Product{Name: "shop", Version: "3.1.0"}
	for _, c := range []struct {
		name    string
		s       Statement
		in, out []string // components of shop 3.1.0
	}{
		{"all versions", Statement{Product: Product{PURL: purl(t, "pkg:npm/left")}}, []string{"pkg:npm/left@1.0.0", "pkg:npm/left@9.0.0"}, []string{"pkg:npm/right@1.0.0", "pkg:pypi/left@1.0"}},
		{"until the version changes", Statement{Product: Product{PURL: purl(t, "pkg:npm/left@1.0.0")}}, []string{"pkg:npm/left@1.0.0"}, []string{"pkg:npm/left@1.0.1"}},
		{"within a range", Statement{Product: Product{PURL: purl(t, "pkg:npm/left"), Range: "vers:npm/<2.0.0"}}, []string{"pkg:npm/left@1.0.0"}, []string{"pkg:npm/left@2.0.0"}},
		{"within a range of the package URL", Statement{Product: Product{PURL: purl(t, "pkg:npm/left?vers=vers%3Anpm%2F%3C2.0.0")}}, []string{"pkg:npm/left@1.0.0"}, []string{"pkg:npm/left@2.0.0"}},
		{"only with this qualifier", Statement{Product: Product{PURL: purl(t, "pkg:deb/debian/curl?arch=arm64")}}, []string{"pkg:deb/debian/curl@7?arch=arm64&distro=debian-12"}, []string{"pkg:deb/debian/curl@7?arch=amd64"}},
		{"a system in all versions", Statement{System: Product{Name: "shop"}}, []string{"pkg:npm/left@1.0.0", "pkg:npm/right@1.0.0"}, nil},
		{"a system in this version", Statement{Product: Product{PURL: purl(t, "pkg:generic/shop@3.1.0")}}, []string{"pkg:npm/left@1.0.0"}, nil},
		{"a system in another version", Statement{Product: Product{PURL: purl(t, "pkg:generic/shop@3.2.0")}}, nil, []string{"pkg:npm/left@1.0.0"}},
		{"a component of this system", Statement{System: Product{Name: "shop"}, Product: Product{PURL: purl(t, "pkg:npm/left")}}, []string{"pkg:npm/left@1.0.0"}, []string{"pkg:npm/right@1.0.0"}},
		{"a component of another system", Statement{System: Product{Name: "shed"}, Product: Product{PURL: purl(t, "pkg:npm/left")}}, nil, []string{"pkg:npm/left@1.0.0"}},
		{"Go's versions with and without v", Statement{Product: Product{PURL: purl(t, "pkg:golang/example.test/m@1.0.0")}}, []string{"pkg:golang/example.test/m@v1.0.0"}, []string{"pkg:golang/example.test/m@v1.0.1"}},
	} {
		var d Decisions
		c.s.Weakness, c.s.Status, c.s.Justification = []string{"CVE-2026-1000"}, NotAffected, "component_not_present"
		if err := d.Add(c.s); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, p := range c.in {
			if got, ok := d.Of(Hit{[]string{"GHSA-1", "CVE-2026-1000"}, purl(t, p), shop}); !ok || !got.Silent() {
				t.Errorf("%s does not hold for %s", c.name, p)
			}
		}
		for _, p := range c.out {
			if _, ok := d.Of(Hit{[]string{"CVE-2026-1000"}, purl(t, p), shop}); ok {
				t.Errorf("%s holds for %s", c.name, p)
			}
		}
		if _, ok := d.Of(Hit{[]string{"CVE-2026-1001"}, purl(t, "pkg:npm/left@1.0.0"), shop}); ok {
			t.Errorf("%s holds for another weakness", c.name)
		}
	}
}

func TestTheNewestDecisionCountsAndConflictsAreSaid(t *testing.T) {
	left := Product{PURL: purl(t, "pkg:npm/left")}
	var d Decisions
	add := func(s Status, by string, at time.Time) {
		t.Helper()
		if err := d.Add(Statement{Weakness: []string{"CVE-2026-1000"}, Product: left, Status: s, Author: by, At: at, Why: "so"}); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() Decision {
		got, _ := d.Of(Hit{Names: []string{"CVE-2026-1000"}, Component: purl(t, "pkg:npm/left@1.0.0")})
		return got
	}
	add(UnderInvestigation, "ann", day)
	add(NotAffected, "ann", day.AddDate(0, 0, 1))
	if got := ask(); got.Status != NotAffected || got.Against != nil {
		t.Errorf("an author who changed her mind is in conflict with herself: %+v", got)
	}
	add(Affected, "bob", day)
	if got := ask(); got.Status != NotAffected || len(got.Against) != 1 || got.Against[0] != "affected 2026-01-02 bob" {
		t.Errorf("%+v", got)
	}
	add(Affected, "ann", day.AddDate(0, 0, 1))
	if got := ask(); got.Status != Affected || len(got.Against) != 1 {
		t.Errorf("of two of one time the careful one counts: %+v", got)
	}
}

func TestWhatDecidesNothingIsRefused(t *testing.T) {
	left := Product{PURL: purl(t, "pkg:npm/left")}
	for why, s := range map[string]Statement{
		"names no weakness":   {Product: left, Status: Affected},
		"cannot be told":      {Weakness: []string{"X"}, Status: Affected},
		"does not say why":    {Weakness: []string{"X"}, Product: left, Status: NotAffected},
		"not in which":        {Weakness: []string{"X"}, Product: left, Status: Fixed},
		"no status":           {Weakness: []string{"X"}, Product: left, Status: "fine"},
		"no justification of": {Weakness: []string{"X"}, Product: left, Status: NotAffected, Justification: "because"},
		"no range":            {Weakness: []string{"X"}, Product: Product{PURL: left.PURL, Range: "<2"}, Status: Affected},
	} {
		var d Decisions
		if err := d.Add(s); err == nil || !strings.Contains(err.Error(), why) || d.Len() != 0 {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// documents are the three formats saying the same: left is not affected in shop.
var documents = map[string]string{
	"OpenVEX": `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"d","author":"ann","timestamp":"2026-01-02T00:00:00Z","statements":[
		{"vulnerability":{"name":"CVE-2026-1000"},"products":[{"@id":"pkg:generic/shop","subcomponents":[{"@id":"pkg:npm/left"}]}],"status":"not_affected","justification":"component_not_present"},
		{"vulnerability":"CVE-2026-1001","products":["pkg:npm/left"],"status":"not_affected"},{"vulnerability":"CVE-2026-1001","status":"affected"},
		{"vulnerability":"CVE-2026-1001","products":[{"@id":"","subcomponents":[{"@id":"pkg:npm/left"}]},{"@id":"pkg:generic/shop","subcomponents":[{"@id":"pkg:"}]}],"status":"affected"}]}`,
	"CycloneDX": `{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"timestamp":"2026-01-02T00:00:00Z","authors":[{"name":"ann"}],"component":{"bom-ref":"s","name":"shop","version":"3"}},
		"components":[{"bom-ref":"l","name":"left","purl":"pkg:npm/left"}],"vulnerabilities":[
		{"id":"CVE-2026-1000","analysis":{"state":"not_affected","justification":"code_not_present"},"affects":[{"ref":"l"}]},{"id":"CVE-2026-1001","affects":[{"ref":"l"}]},
		{"id":"CVE-2026-1001","analysis":{"state":"fine"},"affects":[{"ref":"l"}]},{"id":"CVE-2026-1001","analysis":{"state":"resolved"},"affects":[{"ref":"urn:cdx:x/1#y"},{"ref":"l"}]},
		{"id":"CVE-2026-1001","analysis":{"state":"not_affected"},"affects":[{"ref":"l"}]}]}`,
	"CSAF": `{"document":{"category":"csaf_base","csaf_version":"2.0","title":"t","publisher":{"category":"vendor","name":"ann","namespace":"https://maker.example"},
		"tracking":{"id":"M-1","status":"final","version":"1","current_release_date":"2026-01-02T00:00:00Z","initial_release_date":"2026-01-02T00:00:00Z","revision_history":[{"date":"2026-01-02T00:00:00Z","number":"1"}]}},
		"product_tree":{"full_product_names":[{"product_id":"shop","name":"shop"},{"product_id":"left","name":"left","product_identification_helper":{"purl":"pkg:npm/left"}}],
		"relationships":[{"product_reference":"left","relates_to_product_reference":"shop","category":"default_component_of","full_product_name":{"product_id":"both","name":"left in shop"}}]},
		"vulnerabilities":[{"cve":"CVE-2026-1000","product_status":{"known_not_affected":["both"]},"flags":[{"label":"component_not_present","product_ids":["both"]}]},
		{"cve":"CVE-2026-1001","product_status":{"known_not_affected":["left"],"fixed":["both"],"recommended":["shop"]}},{"cve":"CVE-2026-1002","product_status":{"fixed":["both","left"]}}]}`,
}

func TestTheSameDecisionInThreeFormats(t *testing.T) {
	for format, text := range documents {
		var d Decisions
		r, err := d.Read([]byte(text))
		if err != nil || r.Format != format || r.Statements != 1 || r.Refused != 4 {
			t.Errorf("%s: %+v, %v", format, r, err)
		}
		got, ok := d.Of(Hit{[]string{"CVE-2026-1000"}, purl(t, "pkg:npm/left@1.0.0"), Product{Name: "shop", Version: "3"}})
		if !ok || got.Status != NotAffected || got.Author != "ann" || !got.At.Equal(day) || got.Justification == "" {
			t.Errorf("%s: %+v", format, got)
		}
		if _, ok := d.Of(Hit{[]string{"CVE-2026-1000"}, purl(t, "pkg:npm/left@1.0.0"), Product{Name: "shed"}}); ok {
			t.Errorf("%s: a decision about the shop holds for the shed", format)
		}
	}
	var d Decisions
	for _, bad := range []string{"", "{}", "[]", `{"@context":"https://openvex.dev/ns","statements":7}`, `{"document":{}}`, `{"bomFormat":"CycloneDX","vulnerabilities":{}}`} {
		if _, err := d.Read([]byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	doc := Document{ID: "https://example.org/vex/1", Author: "ann", At: day, System: Product{Name: "shop", Version: "3"}}
	for i, s := range []Statement{
		{Status: NotAffected, Justification: "inline_mitigations_already_exist", Why: "behind a proxy"},
		{Status: Affected, Action: "take 2.0.1"}, {Status: Affected}, {Status: UnderInvestigation}, {Status: Fixed},
	} {
		s.Weakness = []string{"CVE-2026-100" + string(rune('0'+i)), "GHSA-" + string(rune('0'+i))}
		s.Product, s.At = Product{PURL: purl(t, "pkg:npm/left@2.0.0")}, day
		doc.Statements = append(doc.Statements, s)
	}
	for _, format := range Formats {
		var b bytes.Buffer
		if err := Write(&b, format, doc); err != nil {
			t.Fatal(err)
		}
		var d Decisions
		if r, err := d.Read(b.Bytes()); err != nil || r.Statements != len(doc.Statements) || r.Refused != 0 {
			t.Errorf("%s: %+v, %v\n%s", format, r, err, b.String())
		}
		for _, s := range doc.Statements {
			for _, name := range s.Weakness {
				got, ok := d.Of(Hit{[]string{name}, s.Product.PURL, doc.System})
				if !ok || got.Status != s.Status || s.Why != got.Why || s.Action != "" && got.Action != s.Action || s.Justification != got.Justification {
					t.Errorf("%s: %s is %+v", format, name, got)
				}
			}
			if _, ok := d.Of(Hit{s.Weakness, s.Product.PURL, Product{Name: "shed"}}); ok {
				t.Errorf("%s: it holds elsewhere", format)
			}
		}
	}
	if err := Write(&bytes.Buffer{}, "pdf", doc); err == nil {
		t.Error("pdf is written")
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range documents {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Decisions
		r, err := d.Read(b)
		if err == nil && r.Statements != d.Len() {
			t.Errorf("%d of %d statements", r.Statements, d.Len())
		}
		d.Of(Hit{[]string{"CVE-2026-1000"}, bom.PURL{Type: "npm", Name: "left", Version: "1.0.0"}, Product{Name: "shop"}})
	})
}
