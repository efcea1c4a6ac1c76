package api

import (
	"encoding/csv"
	"strings"
	"testing"

	"noroshi/action"
)

// TestNoCellIsAFormula: what a scanner read from a hostile server stays text in a
// spreadsheet.
func TestNoCellIsAFormula(t *testing.T) {
	for _, s := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"} {
		x := action.Action{Assignee: s, Weakness: action.Weakness{Title: s, Version: s, Asset: action.Asset{Key: s, Name: s}, Fix: s}}
		line := cells(s, x)
		if len(line) != len(exported) {
			t.Fatalf("a line has %d cells, the head %d", len(line), len(exported))
		}
		var out strings.Builder
		w := csv.NewWriter(&out)
		_ = w.Write(line) // A builder takes everything.
		w.Flush()
		read, err := csv.NewReader(strings.NewReader(out.String())).Read()
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range read {
			if c != "" && strings.ContainsRune("=+-@\t\r\n＝", []rune(c)[0]) {
				t.Errorf("%s is %q", exported[i], c)
			}
		}
	}
}
