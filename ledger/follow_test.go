package ledger_test

import (
	"context"
	"fmt"
	"testing"

	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// TestFollowerTellsEachChangeOnce follows while another writes, also what commits
// after what began later.
func TestFollowerTellsEachChangeOnce(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		write := func(id string) error {
			return db.Write(t.Context(), "hub:test", func(tx *ledger.Tx) error {
				return tx.Record(t.Context(), "thing", ident.ID(id), "org_a", "made", nil)
			})
		}
		if err := write("before"); err != nil {
			t.Fatal(err)
		}
		f, err := db.Follow(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		told := map[ident.ID]int{}
		look := func() {
			t.Helper()
			list, _, err := f.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range list {
				told[c.ID]++
				if c.Kind != "thing" || c.Action != "made" || c.Org != "org_a" {
					t.Errorf("the change is %+v", c)
				}
			}
		}
		late := func(ctx context.Context, meanwhile func()) error {
			return db.Write(ctx, "hub:test", func(tx *ledger.Tx) error {
				if err := tx.Record(ctx, "thing", "late", "org_a", "made", nil); err != nil {
					return err
				}
				meanwhile()
				return nil
			})
		}
		meanwhile := func() {}
		if db.Engine() == "postgres" { // SQLite has one writer at a time.
			meanwhile = func() {
				if err := write("early"); err != nil {
					t.Error(err)
				}
				look()
			}
		}
		if err := late(t.Context(), meanwhile); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			if err := write(fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 {
				look()
			}
		}
		look()
		look()
		want := 21
		if db.Engine() == "postgres" {
			want++
		}
		if len(told) != want || told["before"] != 0 {
			t.Errorf("%d changes were told, not %d: %v", len(told), want, told)
		}
		for id, n := range told {
			if n != 1 {
				t.Errorf("%s was told %d times", id, n)
			}
		}
	})
}
