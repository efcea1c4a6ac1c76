package ident_test

import (
	"strings"
	"testing"
	"time"

	"noroshi/ident"
)

func TestIdentifiersSortByTimeAndReadBack(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	m := ident.Maker{Now: func() time.Time { now = now.Add(time.Millisecond); return now }, Rand: strings.NewReader(strings.Repeat("zyxwvutsrq", 100))}
	var last ident.ID
	for range 50 {
		id := m.New(ident.Finding)
		if id <= last || len(id) != 30 {
			t.Fatalf("%s does not come after %s", id, last)
		}
		if back, err := ident.Parse(ident.Finding, string(id)); err != nil || back != id || back.Prefix() != ident.Finding {
			t.Errorf("%s reads as %s, %v", id, back, err)
		}
		last = id
	}
	for _, bad := range []string{"", "fnd_", "ind_" + string(last)[4:], string(last) + "0", strings.ToUpper(string(last)), "fnd_8" + string(last)[5:]} {
		if _, err := ident.Parse(ident.Finding, bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// FuzzParse reads identifiers as strangers may write them: what is one stands for
// itself, everywhere.
func FuzzParse(f *testing.F) {
	f.Add("nod_01m8911yr8ht1yq2rzvshb1phf")
	f.Add("nod_81m8911yr8ht1yq2rzvshb1phf")
	f.Add("nod_01m8911yr8ht1yq2rzvshb1ph.")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ident.Parse(ident.Node, s)
		if err == nil && (string(id) != s || id.Prefix() != ident.Node || strings.ContainsAny(s, ".*> /\x00")) {
			t.Errorf("%q is taken for an identifier", s)
		}
	})
}
