package cvss

import (
	"strings"
	"testing"
)

func TestVectors(t *testing.T) {
	for _, c := range []struct {
		vector             string
		score              float64
		automatable, total bool
		exploitation       string
	}{
		// Log4Shell, as NVD has it.
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10, true, true, ""},
		{"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 7.5, true, false, ""},
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N/E:F", 6.1, false, false, "poc"},
		{"CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8, false, true, ""},
		{"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:A", 9.3, true, true, "active"},
		{"CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:L/VA:L/SC:N/SI:N/SA:N", 8.3, false, false, ""},
		{"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:P/AU:N", 8.9, false, true, "poc"},
	} {
		v, err := Parse(c.vector)
		if err != nil {
			t.Errorf("%s: %v", c.vector, err)
			continue
		}
		if v.Score != c.score || v.Automatable() != c.automatable || v.Total() != c.total || v.Exploitation() != c.exploitation {
			t.Errorf("%s: score %v, automatable %t, total %t, exploitation %q", c.vector, v.Score, v.Automatable(), v.Total(), v.Exploitation())
		}
	}
	for _, bad := range []string{"", "AV:N/AC:L/Au:N/C:P/I:P/A:P", "CVSS:3.1/AV:N", "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", "CVSS:4.0/" + strings.Repeat("x", 600)} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%.30q is a vector", bad)
		}
	}
	if v := (Vector{}); v.Automatable() || v.Total() || v.Exploitation() != "" {
		t.Error("no vector says something")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H")
	f.Add("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H/E:H")
	f.Add("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:A/AU:Y")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := Parse(s)
		if err != nil {
			return
		}
		if v.Score < 0 || v.Score > 10 {
			t.Errorf("%q has the score %v", s, v.Score)
		}
		v.Automatable()
		v.Total()
		v.Exploitation()
	})
}
