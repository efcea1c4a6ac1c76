package systems_test

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"

	"noroshi/analyse/systems"
	"noroshi/analyse/vex"
	"noroshi/fault"
	"noroshi/ledger/ledgertest"
)

// TestWhatIsToldOfDecisionsIsReadBack: a document that the hub writes says to who
// reads it what the hub says, in every format, of its own systems only.
func TestWhatIsToldOfDecisionsIsReadBack(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	shop := r.system(t, r.a, "shop", systems.Facts{}, "pkg:npm/left@2.0.0 pkg:npm/right@1.0.0")
	r.system(t, r.a, "no hit", systems.Facts{}, "pkg:npm/none@1.0.0")
	other := r.system(t, r.b, "other", systems.Facts{}, "pkg:npm/left@2.0.0")
	r.load(t, "", []byte(advisory("GHSA-1", "CVE-2026-1", "left", "9.0.0")))
	r.load(t, "", []byte(advisory("GHSA-2", "CVE-2026-2", "right", "9.0.0")))
	r.decide(t, r.a, decision("CVE-2026-1", "pkg:npm/left", "not_affected", 1))
	must(t, r.Match(ctx))
	for _, format := range vex.Formats {
		document, err := r.WriteVEX(ctx, r.a, shop.ID, format)
		must(t, err)
		var d vex.Decisions
		if report, err := d.Read(document); err != nil || report.Statements != 2 || report.Refused != 0 {
			t.Fatalf("%s: %+v, %v\n%s", format, report, err, document)
		}
		// The other organisation takes it over for a system of that name.
		if _, err := r.Decide(ctx, r.b, orgB, format, false, document); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if f, err := r.Found(ctx, r.b, other.ID); err != nil || f.Decided != 0 {
			t.Errorf("%s: a decision about shop holds for another system: %+v, %v", format, f, err)
		}
		if _, err := r.WriteVEX(ctx, r.b, shop.ID, format); fault.KindOf(err) != fault.NotFound {
			t.Errorf("another reads it: %v", err)
		}
		var out bytes.Buffer
		must(t, r.ExportVEX(ctx, r.centre, orgA, format, &out))
		z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
		must(t, err)
		if len(z.File) != 1 || !strings.HasPrefix(z.File[0].Name, "shop-bom_") {
			t.Fatalf("in the zip file is %+v", z.File)
		}
		in, err := z.File[0].Open()
		must(t, err)
		if b, err := io.ReadAll(in); err != nil || !bytes.Equal(b, document) {
			t.Errorf("%s: in the zip file is\n%s, %v", format, b, err)
		}
	}
	same := r.system(t, r.b, "shop", systems.Facts{}, "pkg:npm/left@2.0.0 pkg:npm/right@1.0.0")
	if f, err := r.Found(ctx, r.b, same.ID); err != nil || f.Decided != 1 || f.Total != 1 || f.Hits[0].Decision.Why != "we never call it" || f.Hits[1].Decision.Status != vex.UnderInvestigation {
		t.Errorf("taken over was %+v, %v", f, err)
	}
	if _, err := r.WriteVEX(ctx, r.a, shop.ID, "xml"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an unknown format: %v", err)
	}
	if err := r.MayExport(r.b, orgA); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another exports: %v", err)
	}
}
