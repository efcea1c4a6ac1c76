package api

import (
	"testing"

	"noroshi/action"
)

func TestEveryExportedColumnHasItsCell(t *testing.T) {
	if line := cells("city", action.Action{}); len(line) != len(exported) {
		t.Fatalf("a line has %d cells, the head %d", len(line), len(exported))
	}
}
