package systems_test

import (
	"strings"
	"testing"
	"time"

	"noroshi/analyse/systems"
	"noroshi/analyse/vex"
	"noroshi/fault"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// TestAPersonDecidesAboutOneHit: it acts at once, lasts over versions as it says,
// is replaced by the next, ends by itself, and all of it stays on record.
func TestAPersonDecidesAboutOneHit(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		shop := r.system(t, r.a, "店/shop", systems.Facts{}, "pkg:npm/left@2.0.0")
		twin := r.system(t, r.a, "twin", systems.Facts{}, "pkg:npm/left@2.0.0")
		r.load(t, "", []byte(advisory("GHSA-1", "CVE-2026-1", "left", "9.0.0")))
		choose := func(c systems.Choice) systems.VEX {
			t.Helper()
			r.now = r.now.Add(time.Minute)
			v, err := r.Choose(ctx, r.a, c)
			must(t, err)
			return v
		}
		silent := func(id systems.System) bool {
			t.Helper()
			f, err := r.Found(ctx, r.a, id.ID)
			must(t, err)
			return f.Total == 0
		}
		version := "2.0.0"
		upload := func(v string) {
			t.Helper()
			_, err := r.Upload(ctx, r.a, shop.ID, v, "", []byte("pkg:npm/left@"+v))
			must(t, err)
			version = v
		}
		c := systems.Choice{System: shop.ID, Weakness: "cve-2026-1", Status: vex.NotAffected, Justification: "vulnerable_code_not_present", Why: "ビルドで除外", Where: systems.InSystem, Holds: systems.ThisVersion}
		first := choose(c)
		if !silent(shop) || silent(twin) {
			t.Error("it decides not here, or also elsewhere")
		}
		if f, err := r.Found(ctx, r.a, shop.ID); err != nil || f.Hits[0].Decision.Record != string(first.ID) || f.Hits[0].Decision.From != string(orgA) || f.Hits[0].Decision.Why != c.Why {
			t.Errorf("found is %+v, %v", f, err)
		}
		if upload("3.0.0"); silent(shop) {
			t.Error("another version is decided too")
		}
		c.Holds = systems.AnyVersion
		c.Until = r.now.Add(24 * time.Hour)
		second := choose(c)
		for _, v := range []string{version, "4.0.0", "2.0.0"} {
			if upload(v); !silent(shop) {
				t.Errorf("it does not last to %s", v)
			}
		}
		must(t, r.Match(ctx))
		r.now = c.Until
		must(t, r.Match(ctx))
		if silent(shop) {
			t.Error("its time has passed, and it still decides")
		}
		c.Until, c.Where, c.Holds = time.Time{}, systems.InOrganisation, "vers:npm/>=2.0.0|<3.0.0"
		third := choose(c)
		if !silent(shop) || !silent(twin) {
			t.Error("a range of the organisation holds not everywhere")
		}
		if upload("3.0.0"); silent(shop) {
			t.Error("a version outside the range is decided")
		}
		_, err := r.Withdraw(ctx, r.a, third.ID, third.Version, "wrong build")
		must(t, err)
		if silent(twin) {
			t.Error("what was withdrawn still decides")
		}
		p, err := r.Decided(ctx, r.a, systems.VEXFilter{Weakness: third.Choice.Weakness})
		must(t, err)
		said := ""
		for _, v := range p.Items {
			said += v.State + " " + v.Choice.Component + " " + v.Choice.Name + "; "
		}
		if want := "withdrawn left 2.0.0 店/shop; expired left 3.0.0 店/shop; replaced left 2.0.0 店/shop; "; said != want {
			t.Errorf("on record is %s instead of %s", said, want)
		}
		if p.Items[2].Reason != "by "+string(second.ID) || p.Items[0].Reason != "wrong build" {
			t.Errorf("the reasons are %q, %q", p.Items[2].Reason, p.Items[0].Reason)
		}
	})
}

// TestAChoiceThatSaysTooLittleIsRefused names the place that is wrong.
func TestAChoiceThatSaysTooLittleIsRefused(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	shop := r.system(t, r.a, "shop", systems.Facts{}, "pkg:npm/left@2.0.0 pkg:npm/left@3.0.0")
	r.load(t, "", []byte(advisory("GHSA-1", "CVE-2026-1", "left", "9.0.0")))
	good := systems.Choice{System: shop.ID, Weakness: "GHSA-1", PURL: "pkg:npm/left@2.0.0", Status: vex.NotAffected, Justification: "component_not_present", Where: systems.InSystem, Holds: systems.AnyVersion}
	for place, spoil := range map[string]func(*systems.Choice){
		"system": func(c *systems.Choice) { c.System = "sys_1" }, "purl": func(c *systems.Choice) { c.PURL = "" }, "where": func(c *systems.Choice) { c.Where = "" },
		"holds": func(c *systems.Choice) { c.Holds = "2.x" }, "justification": func(c *systems.Choice) { c.Justification = "" }, "until": func(c *systems.Choice) { c.Until = r.now },
		"why": func(c *systems.Choice) { c.Why = "a\x00b" }, "org": func(c *systems.Choice) { c.Org, c.Where = orgB, systems.InBelow },
		"hits nothing": func(c *systems.Choice) { c.Weakness = "CVE-2026-2" }, "which version": func(c *systems.Choice) { c.Status, c.Justification = vex.Fixed, "" },
		"no justification": func(c *systems.Choice) { c.Justification = "because" }, "range": func(c *systems.Choice) { c.Holds = "vers:npm/<" },
	} {
		c := good
		spoil(&c)
		if _, err := r.Choose(ctx, r.a, c); err == nil || !strings.Contains(fault.PublicOf(err), place) {
			t.Errorf("%s: %v", place, err)
		}
	}
	if _, err := r.Choose(ctx, r.b, good); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another decides: %v", err)
	}
	good.Org, good.Where = centre, systems.InBelow
	if _, err := r.Choose(ctx, r.a, good); fault.KindOf(err) != fault.NotFound {
		t.Errorf("one below decides for the centre: %v", err)
	}
	if v, err := r.Choose(ctx, r.centre, good); err != nil || v.Org != centre {
		t.Errorf("the centre cannot decide for all: %v", err)
	}
	if p, err := r.Decided(ctx, r.a, systems.VEXFilter{Weakness: "CVE-2026-1"}); err != nil || len(p.Items) != 0 {
		t.Errorf("the record of the centre is read below: %+v, %v", p, err)
	}
}
