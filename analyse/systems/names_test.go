package systems_test

import (
	"bytes"
	"compress/gzip"
	"reflect"
	"strings"
	"testing"

	"noroshi/access"
	"noroshi/analyse/systems"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// national is a file of NVD, packed: a weakness of a database on one operating
// system, and one of another product.
func national(t *testing.T, below string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(`{"resultsPerPage":2,"format":"NVD_CVE","version":"2.0","vulnerabilities":[
		{"cve":{"id":"CVE-2026-3000","descriptions":[{"lang":"en","value":"about a database"}],"configurations":[{"operator":"AND","nodes":[
			{"operator":"OR","cpeMatch":[{"vulnerable":true,"criteria":"cpe:2.3:a:oracle:mysql:*:*:*:*:*:*:*:*","versionEndExcluding":"` + below + `"}]},
			{"operator":"OR","cpeMatch":[{"vulnerable":false,"criteria":"cpe:2.3:o:example:os:*:*:*:*:*:*:*:*"}]}]}]}},
		{"cve":{"id":"CVE-2026-3001","configurations":[{"nodes":[{"operator":"OR","cpeMatch":[{"vulnerable":true,"criteria":"cpe:2.3:a:late:comer:*:*:*:*:*:*:*:*"}]}]}]}}]}`))
	must(t, err)
	must(t, z.Close())
	return b.Bytes()
}

const (
	database = "pkg:generic/mysql@5.7.1?cpe=cpe:2.3:a:oracle:mysql:5.7.1:*:*:*:*:*:*:*"
	itsOS    = "pkg:generic/os@1?cpe=cpe:2.3:o:example:os:1:*:*:*:*:*:*:*"
	comer    = "pkg:generic/comer@1?cpe=cpe:2.3:a:late:comer:1:*:*:*:*:*:*:*"
)

func TestNVDIsAskedByExactNamesAtTheHub(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		both := r.system(t, r.a, "both", systems.Facts{}, database+" "+itsOS)
		r.system(t, r.b, "alone", systems.Facts{}, database)
		if f := r.load(t, "nvdcve-2.0-2026", national(t, "5.7.2")); f.Kind != systems.Names || f.Believed.Advisories != 2 {
			t.Fatalf("it was taken for %+v", f)
		}
		must(t, r.Match(ctx))
		// The database alone does not meet the configuration.
		who, err := r.WhoIsHit(ctx, r.centre, "CVE-2026-3000", "", 0)
		must(t, err)
		if who.Systems != 1 || len(who.Items) != 1 || who.Items[0].System != both.ID || who.Items[0].Confidence != "low" || who.Items[0].Component != "mysql 5.7.1" || who.Items[0].Action == nil {
			t.Fatalf("%+v", who)
		}
		w := r.board.surveys[0].Weaknesses[0]
		if len(r.board.surveys) != 1 || w.Place != "pkg:generic/mysql" || w.Reference != "https://nvd.nist.gov/vuln/detail/CVE-2026-3000" || !strings.Contains(w.Evidence[0].Text, "low confidence") {
			t.Errorf("%+v", r.board.surveys)
		}
		found, err := r.Found(ctx, r.a, both.ID)
		if must(t, err); found.Total != 1 {
			t.Errorf("%+v", found)
		}
		// A name that nobody had before is asked about as soon as a bill has it.
		if _, err := r.WhoIsHit(ctx, r.centre, "CVE-2026-3001", "", 0); err == nil {
			t.Error("what is about nobody's product is kept")
		}
		late := r.system(t, r.b, "late", systems.Facts{}, comer)
		must(t, r.Match(ctx))
		if who, err := r.WhoIsHit(ctx, r.b, "CVE-2026-3001", "", 0); err != nil || who.Systems != 1 || who.Items[0].System != late.ID {
			t.Errorf("%+v, %v", who, err)
		}
		// Another hub comes to the same, and a corrected file ends what was wrong.
		if who, err := r.hub(t).WhoIsHit(ctx, r.centre, "CVE-2026-3000", "", 0); err != nil || who.Systems != 1 {
			t.Errorf("another hub says %+v, %v", who, err)
		}
		r.load(t, "nvdcve-2.0-2026", national(t, "5.7.1"))
		must(t, r.Match(ctx))
		if who, err := r.WhoIsHit(ctx, r.centre, "CVE-2026-3000", "", 0); err != nil || who.Systems != 0 {
			t.Errorf("%+v, %v", who, err)
		}
		if len(r.board.there) != 1 {
			t.Errorf("on the board is %v", r.board.there)
		}
	})
}

func TestLicensesAreCountedAndFound(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		shop := r.system(t, r.a, "shop", systems.Facts{}, "pkg:npm/a@1?license=MIT pkg:npm/b@1?license=MIT pkg:npm/c@1?license=AGPL-3.0-only pkg:npm/d@1")
		r.system(t, r.b, "other", systems.Facts{}, "pkg:npm/a@1?license=MIT")
		if got := r.LicensesOf(r.a, shop.ID); !reflect.DeepEqual(got, []systems.License{{License: "MIT", Components: 2}, {License: "", Components: 1}, {License: "AGPL-3.0-only", Components: 1}}) {
			t.Errorf("%+v", got)
		}
		if got := r.LicensesOf(r.b, shop.ID); len(got) != 0 {
			t.Errorf("a stranger sees %+v", got)
		}
		all, err := r.Licenses(ctx, r.centre, systems.LicenseFilter{Limit: 1})
		must(t, err)
		if !reflect.DeepEqual(all.Items, []systems.LicenseUse{{License: "MIT", Systems: 2, Components: 3}}) || all.Next != "1" {
			t.Errorf("%+v", all)
		}
		all, err = r.Licenses(ctx, r.centre, systems.LicenseFilter{Cursor: all.Next})
		if must(t, err); len(all.Items) != 2 || all.Next != "" {
			t.Errorf("%+v", all)
		}
		for name, c := range map[string]struct {
			scope access.Scope
			want  int
		}{"the centre": {r.centre, 1}, "its own": {r.a, 1}, "another": {r.b, 0}} {
			who, err := r.LicensePlaces(ctx, c.scope, systems.LicenseFilter{Text: "agpl"})
			if must(t, err); len(who.Items) != c.want || c.want == 1 && (who.Items[0].System != shop.ID || who.Items[0].Components != 1 || who.Items[0].Version != "1") {
				t.Errorf("%s: %+v", name, who)
			}
		}
		if _, err := r.Licenses(ctx, r.centre, systems.LicenseFilter{Cursor: "x"}); err == nil {
			t.Error("a cursor that is none is taken")
		}
		// The bill in force counts.
		_, err = r.Upload(ctx, r.a, shop.ID, "2", "", []byte("pkg:npm/d@1"))
		must(t, err)
		if who, err := r.LicensePlaces(ctx, r.a, systems.LicenseFilter{Text: "agpl"}); err != nil || len(who.Items) != 0 {
			t.Errorf("%+v, %v", who, err)
		}
	})
}
