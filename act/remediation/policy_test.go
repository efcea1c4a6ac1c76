package remediation_test

import (
	"encoding/json"
	"strings"
	"testing"

	"noroshi/act/remediation"
	"noroshi/action"
	"noroshi/content"
	"noroshi/fault"
	"noroshi/ledger/ledgertest"
)

func TestDatesFollowThePolicy(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *action.Weakness)
		days   int
	}{
		"low":                 {func(w *action.Weakness) { w.Level = action.Low }, 180},
		"medium":              {func(w *action.Weakness) { w.Level = action.Medium }, 90},
		"high":                {func(w *action.Weakness) {}, 30},
		"high, important":     {func(w *action.Weakness) { w.Asset.Importance = "high" }, 15},
		"critical":            {func(w *action.Weakness) { w.Level = action.Critical }, 30},
		"critical, exposed":   {func(w *action.Weakness) { w.Level, w.Asset.Exposed = action.Critical, true }, 15},
		"critical, all":       {func(w *action.Weakness) { w.Level, w.Asset.Exposed, w.Asset.Importance = action.Critical, true, "high" }, 7},
		"act":                 {func(w *action.Weakness) { w.Threat.SSVC = "act" }, 3},
		"attend":              {func(w *action.Weakness) { w.Threat.SSVC = "attend" }, 14},
		"track*":              {func(w *action.Weakness) { w.Level, w.Threat.SSVC = action.Medium, "track*" }, 30},
		"track":               {func(w *action.Weakness) { w.Level, w.Threat.SSVC = action.Low, "track" }, 90},
		"exploited":           {func(w *action.Weakness) { w.Threat.KEV = true }, 14},
		"ransomware inside":   {func(w *action.Weakness) { w.Threat.KEV, w.Threat.Ransomware = true, true }, 14},
		"ransomware, exposed": {func(w *action.Weakness) { w.Threat.KEV, w.Threat.Ransomware, w.Asset.Exposed = true, true, true }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, ledgertest.SQLite(t))
			w := weakness("org_a", 1, "x", action.High)
			c.change(&w)
			r.take(t, r.survey("org_a", at(1), w))
			if a := r.only(t, remediation.Filter{}); !a.Due.Equal(start.AddDate(0, 0, c.days)) {
				t.Errorf("due %s, by %s", a.Due.Sub(start), a.DueWhy)
			}
		})
	}
}

// TestMoreUrgentIsDueSooner lets a weakness become known to be exploited, and then
// be judged harmless.
func TestMoreUrgentIsDueSooner(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	w := weakness("org_a", 1, "x", action.Medium)
	r.take(t, r.survey("org_a", at(1), w))
	r.now = r.now.Add(10 * day)
	w.Threat.KEV = true
	r.take(t, r.survey("org_a", at(1), w))
	want := r.now.Add(14 * day)
	if a := r.only(t, remediation.Filter{KEV: true}); !a.Due.Equal(want) {
		t.Errorf("exploited, it is due %s", a.Due)
	}
	r.now = r.now.Add(day)
	w.Threat.KEV, w.Level = false, action.Low
	r.take(t, r.survey("org_a", at(1), w))
	if a := r.only(t, remediation.Filter{}); !a.Due.Equal(want) || a.Weakness.Level != action.Low {
		t.Errorf("harmless again, it is due %s", a.Due)
	}
}

func TestSenselessPoliciesAreRefusedWithTheirPlace(t *testing.T) {
	good := string(content.Remediation())
	for what, b := range map[string]string{
		"unknown key":  strings.Replace(good, "days: 3", "weeks: 3", 1),
		"no time":      strings.Replace(good, "days: 3", "days: 0", 1),
		"no decision":  strings.Replace(good, "[act]", "[panic]", 1),
		"no level":     strings.Replace(good, "[low]", "[lowest]", 1),
		"nothing":      "",
		"a gap":        good[:strings.Index(good, "  - name: low")],
		"no condition": "rules: [{name: x, days: 1, why: x, why_ja: x}]",
		"not YAML":     "rules: [",
		"huge":         good + strings.Repeat("# x\n", 20_000),
	} {
		if _, err := remediation.ReadPolicy("mine.yaml", []byte(b)); fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(fault.PublicOf(err), "mine.yaml: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// FuzzPolicy reads policies as operators may break them.
func FuzzPolicy(f *testing.F) {
	f.Add(content.Remediation())
	f.Add([]byte("rules: [{name: x, when: {level: [low, medium, high, critical]}, days: 1, why: x, why_ja: x}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := remediation.ReadPolicy("x", b)
		if (p == nil) == (err == nil) || err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v, %v", p, err)
		}
	})
}

// FuzzSurvey looks at surveys as hostile sources may hand them in.
func FuzzSurvey(f *testing.F) {
	r := newRig(f, ledgertest.SQLite(f))
	v := r.survey("org_a", at(1), weakness("org_a", 1, "x", action.High), weakness("", 1, "y", action.Low))
	b, err := json.Marshal(v)
	must(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var v action.Survey
		if json.Unmarshal(b, &v) != nil {
			return
		}
		n, err := r.Check(r.hub, &v)
		if k := fault.KindOf(err); err != nil && k != fault.Invalid && k != fault.TooLarge && k != fault.NotFound {
			t.Errorf("%v", err)
		}
		if err == nil && n > len(v.Weaknesses) {
			t.Errorf("%d weaknesses became %d", len(v.Weaknesses), n)
		}
		if err != nil && fault.PublicOf(err) == "" {
			t.Errorf("refused without a word: %v", err)
		}
	})
}
