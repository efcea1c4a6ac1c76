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
