package ledger_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"path/filepath"
	"testing"

	"noroshi/disk/disktest"
	"noroshi/ledger"
)

// TestFullDiskRefusesWritesAndLosesNone says what SQLite does when the brake was
// not enough: the write fails whole, what was written stays readable, and the
// next one works when there is room.
func TestFullDiskRefusesWritesAndLosesNone(t *testing.T) {
	dir := disktest.Small(t, 24)
	db, err := ledger.Open(t.Context(), "sqlite:"+filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	raw := make([]byte, 8<<10)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	body := hex.EncodeToString(raw)
	written := 0
	write := func() error {
		err := db.Write(t.Context(), "test", func(tx *ledger.Tx) error {
			return tx.Record(t.Context(), "thing", "thg_1", "org_1", "made", body)
		})
		if err == nil {
			written++
		}
		return err
	}
	count := func() (n int) {
		err := db.Read(t.Context(), func(q ledger.Queryer) error {
			return q.QueryRow(context.Background(), `SELECT COUNT(*) FROM history WHERE kind = 'thing'`).Scan(&n)
		})
		if err != nil {
			t.Fatalf("the ledger cannot be read on a full disk: %v", err)
		}
		return n
	}
	for err == nil && written < 10_000 {
		err = write()
	}
	t.Logf("after %d writes: %v", written, err)
	if err == nil {
		t.Fatal("a full disk took everything")
	}
	if n := count(); n != written {
		t.Errorf("%d of %d are there", n, written)
	}
	ballast := disktest.NewBallast(t, dir)
	ballast.Fill()
	if err := write(); err == nil {
		t.Error("a full disk takes again what it refused")
	}
	ballast.Drop()
	disktest.Grow(t, dir, 48)
	for range 10 {
		if err := write(); err != nil {
			t.Fatalf("after there was room: %v", err)
		}
	}
	if n := count(); n != written {
		t.Errorf("%d of %d are there", n, written)
	}
}
