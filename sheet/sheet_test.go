package sheet

import (
	"encoding/csv"
	"strings"
	"testing"
)

// FuzzLine: whatever stands in a cell comes back as it was, or behind an
// apostrophe, and never begins like a formula.
func FuzzLine(f *testing.F) {
	f.Add("=cmd|'/c calc'!A1", "ふつう")
	f.Fuzz(func(t *testing.T, a, b string) {
		var out strings.Builder
		s := New(&out, "one", "two")
		s.Line(a, b)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(out.String(), "\ufeff"))).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatalf("%q: %v", out.String(), err)
		}
		lines := strings.NewReplacer("\r", "") // Lines within a cell end as the file's do.
		for i, want := range []string{a, b} {
			got := rows[1][i]
			if lines.Replace(strings.TrimPrefix(got, "'")) != lines.Replace(strings.TrimPrefix(want, "'")) {
				t.Errorf("%q became %q", want, got)
			}
			if got != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(got)[0]) {
				t.Errorf("%q begins a formula", got)
			}
		}
	})
}
