package discover

import (
	"fmt"
	"strings"
	"testing"

	"noroshi/fault"
)

// TestSPFRecordsAreReadAsRFC7208Says holds the grammar of sections 4 to 6 and 12.
func TestSPFRecordsAreReadAsRFC7208Says(t *testing.T) {
	for text, want := range map[string]string{
		"v=spf1": "", "V=SPF1 -ALL": "", "v=spf1 a": "a", "v=spf1 +MX ?a/24 ~a//64 a/24//64": "mx a a a",
		"v=spf1 a:x.example/24 mx:y.example ptr:z.example": "a:x.example mx:y.example ptr:z.example",
		"v=spf1 include:_spf.example exists:e.example":     "include:_spf.example exists:e.example",
		"v=spf1 redirect=r.example a":                      "a redirect:r.example",
		"v=spf1 a -all mx:late.example redirect=r.example": "a", // nothing behind all counts
		"v=spf1 ip4:192.0.2.1 ip4:192.0.2.99/24":           "ip4=192.0.2.1/32 ip4=192.0.2.0/24",
		"v=spf1 ip6:2001:db8::1 ip6:2001:DB8::/33":         "ip6=2001:db8::1/128 ip6=2001:db8::/33",
		"v=spf1 exp=why.example x-new=1 moo.cow-far_out=2": "",
		"v=spf1 include:%{d}.example a:x.example":          "a:x.example; 1 macros",
		"v=spf1  a   mx ": "a mx",
		"v=spf1 all:x":    "refused", "v=spf1 all/8": "refused", "v=spf1 include": "refused", "v=spf1 include:": "refused", "v=spf1 redirect=": "refused",
		"v=spf1 redirect=a.example redirect=b.example": "refused", "v=spf1 a:": "refused", "v=spf1 a/33": "refused", "v=spf1 a/024": "refused", "v=spf1 a//129": "refused", "v=spf1 ptr/8": "refused",
		"v=spf1 ip4:192.0.2.0/33": "refused", "v=spf1 ip4:2001:db8::": "refused", "v=spf1 ip6:192.0.2.1": "refused", "v=spf1 ip6:::ffff:192.0.2.1": "refused", "v=spf1 ip4": "refused",
		"v=spf1 unknown": "refused", "v=spf1 unknown:x": "refused", "v=spf1 1a=x": "refused", "v=spf10 a": "refused", "v=spf2.0/pra a": "refused", "": "refused",
		"v=spf1" + strings.Repeat(" a", 256): strings.TrimSpace(strings.Repeat(" a", 256)), "v=spf1" + strings.Repeat(" a", 257): "refused",
	} {
		terms, macros, err := parseSPF(text)
		var out []string
		for _, x := range terms {
			s := x.name
			if x.domain != "" {
				s += ":" + x.domain
			}
			if x.prefix.IsValid() {
				s += "=" + x.prefix.String()
			}
			out = append(out, s)
		}
		got := strings.Join(out, " ")
		if macros > 0 {
			got += fmt.Sprintf("; %d macros", macros)
		}
		if err != nil {
			got = "refused"
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
				t.Errorf("%q: %v", text, err)
			}
		}
		if got != want {
			t.Errorf("%.80q is read as %.80q, not %.80q", text, got, want)
		}
	}
}

// TestNeighboursOfALabel: a few, all of them labels.
func TestNeighboursOfALabel(t *testing.T) {
	for label, want := range map[string]string{
		"web1":   "web2 web0 web3 web web1-dev web1-test web1-stg web1-old",
		"ns09":   "ns10 ns08 ns11 ns ns09-dev ns09-test ns09-stg ns09-old",
		"app-eu": "app-eu1 app-eu2 app-eu01 app-eu02 app-eu-1 app-eu-2 appeu eu-app app eu",
		"7":      "8 6 9 7-dev 7-test 7-stg 7-old",
		"a-":     "a-1 a-2 a-01 a-02 a--1 a--2 a",
	} {
		if got := strings.Join(variants(label), " "); got != want {
			t.Errorf("%s has %q, not %q", label, got, want)
		}
	}
	for _, v := range variants(strings.Repeat("x", 62)) {
		if len(v) > 63 {
			t.Errorf("%q is no label", v)
		}
	}
}
