package ssvc

import (
	"strings"
	"testing"
	"time"

	"noroshi/analyse/cvss"
)

// published is CISA's coordinator table 2.0.3, row by row as CERT/CC has it.
const published = `none no partial low track
none no partial medium track
none no partial high track
none no total low track
none no total medium track
none no total high track*
none yes partial low track
none yes partial medium track
none yes partial high attend
none yes total low track
none yes total medium track
none yes total high attend
poc no partial low track
poc no partial medium track
poc no partial high track*
poc no total low track
poc no total medium track*
poc no total high attend
poc yes partial low track
poc yes partial medium track
poc yes partial high attend
poc yes total low track
poc yes total medium track*
poc yes total high attend
active no partial low track
active no partial medium track
active no partial high attend
active no total low track
active no total medium attend
active no total high act
active yes partial low attend
active yes partial medium attend
active yes partial high act
active yes total low attend
active yes total medium act
active yes total high act`

func TestTheTreeIsThePublishedOne(t *testing.T) {
	rows := strings.Split(published, "\n")
	if len(rows) != 36 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		f := strings.Fields(row)
		if got := (Points{f[0], f[1], f[2], f[3]}).Decide(); got.String() != f[4] {
			t.Errorf("%s: %s", row, got)
		}
	}
}

func TestInputsComeFromWhatIsKnown(t *testing.T) {
	vector := func(s string) cvss.Vector {
		v, err := cvss.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	whole := vector("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")
	user := vector("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:L/I:L/A:N")
	for _, c := range []struct {
		name   string
		facts  Facts
		points Points
		want   Decision
		says   []string
	}{
		{"nothing is known", Facts{}, Points{"none", "yes", "total", "medium"}, Track, []string{"assumed, since no vector", "assumed, since nobody said"}},
		{"exploited, exposed, important", Facts{KEV: true, KEVAdded: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Ransomware: true, Vector: whole, Exposure: Outside, Importance: "high"},
			Points{"active", "yes", "total", "high"}, Act, []string{"by ransomware too since 2026-01-02", "reached from the Internet"}},
		{"exploited, but inside", Facts{KEV: true, Vector: whole, Exposure: Inside, Importance: "low"}, Points{"active", "no", "total", "low"}, Track, []string{"not reached from the Internet"}},
		{"the unlikely", Facts{EPSS: 0.099, Vector: user, Importance: "high"}, Points{"none", "no", "partial", "high"}, Track, []string{"nothing says"}},
		{"the likely", Facts{EPSS: 0.25, Vector: user, Importance: "high"}, Points{"poc", "no", "partial", "high"}, TrackStar, []string{"EPSS gives 25 %"}},
		{"the vector says attacked", Facts{Vector: vector("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:A")}, Points{"active", "yes", "total", "medium"}, Act, []string{"E:A", "nobody looked"}},
		{"an importance that is none", Facts{Importance: "huge"}, Points{"none", "yes", "total", "medium"}, Track, nil},
	} {
		a := Judge(c.facts)
		if a.Points != c.points || a.Decision != c.want {
			t.Errorf("%s: %+v, %s", c.name, a.Points, a.Decision)
		}
		for _, s := range c.says {
			if !strings.Contains(a.Why, s) {
				t.Errorf("%s does not say %q: %s", c.name, s, a.Why)
			}
		}
		if !strings.HasPrefix(a.WhyJA, c.want.String()+": ") || strings.Contains(a.WhyJA, "assumed") {
			t.Errorf("%s in Japanese: %s", c.name, a.WhyJA)
		}
	}
}
