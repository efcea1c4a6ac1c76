package affected_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"noroshi/analyse/affected"
)

// vendor makes an advisory in CSAF of products by id: a package URL, and a range
// if there is one.
func vendor(t *testing.T, status map[string][]string, products map[string][2]string) []byte {
	t.Helper()
	type object = map[string]any
	var branches, all []any
	for id, p := range products {
		branches = append(branches, object{"category": "product_version_range", "name": p[1], "product": object{"product_id": id, "name": id, "product_identification_helper": object{"purl": p[0]}}})
		all = append(all, id)
	}
	now := "2026-01-02T00:00:00Z"
	b, err := json.Marshal(object{
		"document": object{"category": "csaf_base", "csaf_version": "2.0", "title": "Left and right", "publisher": object{"category": "vendor", "name": "M", "namespace": "https://maker.example"},
			"tracking": object{"id": "M-1", "status": "final", "version": "1", "current_release_date": now, "initial_release_date": now, "revision_history": []any{object{"date": now, "number": "1"}}}},
		"product_tree": object{"branches": branches},
		"vulnerabilities": []any{object{"cve": "CVE-2026-1000", "product_status": status, "remediations": []any{object{"category": "vendor_fix", "details": "take the new one", "product_ids": all}},
			"scores": []any{object{"products": all, "cvss_v3": object{"version": "3.1", "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "baseScore": 9.8, "baseSeverity": "CRITICAL"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVendorsSayWhoIsHit(t *testing.T) {
	a := affected.New()
	var r affected.Report
	if err := a.AddJSON(vendor(t, map[string][]string{"known_affected": {"range", "one", "all", "odd", "name", "fixedlater"}, "fixed": {"fix"}, "known_not_affected": {"never"}}, map[string][2]string{
		"range": {"pkg:npm/range", "vers:npm/>=1.0.0|<1.2.0"}, "one": {"pkg:npm/one@1.0.0", ""}, "all": {"pkg:pypi/all", ""}, "never": {"pkg:npm/never", ""},
		"odd": {"pkg:npm/odd", "vers:intdot/<1"}, "name": {"", ""}, "fixedlater": {"pkg:npm/later", ""}, "fix": {"pkg:npm/later@2.0.1", ""},
	}), &r); err != nil || r.Advisories != 1 {
		t.Fatal(r, err)
	}
	for purl, fixed := range map[string]string{
		"pkg:npm/range@1.0.0": "", "pkg:npm/range@1.2.0": "-", "pkg:npm/one@1.0.0": "", "pkg:npm/one@1.0.1": "-", "pkg:pypi/all@7": "",
		"pkg:npm/never@1.0.0": "-", "pkg:npm/odd@0.1.0": "-", "pkg:npm/later@2.0.0": "2.0.1", "pkg:npm/later@2.0.1": "-",
	} {
		by, got := hit(t, a, purl)
		if isHit := fixed != "-"; isHit != (len(by) == 1) || isHit && (by[0] != "M-1" || got[0] != fixed) {
			t.Errorf("%s: by %v, fixed in %q", purl, by, got)
		}
	}
	if err := a.AddJSON(slices.Concat([]byte(`{"csaf_version":1,`), []byte(`"document":{}}`)), &r); err == nil || !strings.Contains(err.Error(), "/document/") {
		t.Error(err)
	}
}
