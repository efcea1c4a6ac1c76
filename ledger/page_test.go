package ledger_test

import (
	"testing"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

func TestCursorsComeBackAndOthersAreRefused(t *testing.T) {
	id := ident.System().New(ident.Notice)
	for _, key := range []int64{-5, 0, 1_800_000_000_000_000} {
		if k, x, err := ledger.ReadCursor("t", ledger.Cursor(key, id), ident.Notice); k != key || x != id || err != nil {
			t.Errorf("%d %s came back as %d %s, %v", key, id, k, x, err)
		}
	}
	for _, c := range []string{"", ".", "x", "1.", "1." + string(ident.System().New(ident.Finding)), "!." + string(id), ledger.Cursor(1, id) + "'"} {
		if _, _, err := ledger.ReadCursor("t", c, ident.Notice); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q is taken: %v", c, err)
		}
	}
}

func TestPagesHaveASizeWhateverIsAskedFor(t *testing.T) {
	for asked, want := range map[int]int{-1: 50, 0: 50, 1: 1, 500: 500, 501: 500} {
		if n := ledger.PageSize(asked); n != want {
			t.Errorf("asked for %d: %d, not %d", asked, n, want)
		}
	}
}
