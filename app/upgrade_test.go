package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"noroshi/backup"
	"noroshi/config"
	"noroshi/fault"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// older takes the newest step of the schema back, as if an older program had left
// the ledger.
func older(t *testing.T, url string) {
	t.Helper()
	db, err := ledger.Open(t.Context(), url)
	must(t, err)
	must(t, db.Write(t.Context(), "t", func(tx *ledger.Tx) error {
		for _, q := range []string{`DROP TABLE organisation_deletion`, `DROP TABLE organisation_gone`, `DELETE FROM goose_db_version WHERE version_id = 11`} {
			if _, err := tx.Exec(t.Context(), q); err != nil {
				return err
			}
		}
		return tx.Record(t.Context(), "thing", "thg_1", "", "made", "狼煙")
	}))
	must(t, db.Close())
}

func TestUpgradeLeavesCopiesThatGoBack(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		ctx, log := context.Background(), slog.New(slog.DiscardHandler)
		cfg := config.Default()
		cfg.DataDir, cfg.Hub.UpgradeCopies = t.TempDir(), 2
		var list []string
		for range 3 {
			older(t, url)
			db, err := ledger.Open(ctx, url, copyFirst(cfg, log))
			must(t, err)
			must(t, db.Close())
			list, err = filepath.Glob(filepath.Join(cfg.DataDir, "backups", "*"))
			must(t, err)
		}
		if len(list) != 2 {
			t.Fatalf("the copies are %v", list)
		}
		f, err := os.Open(list[1])
		must(t, err)
		defer func() { must(t, f.Close()) }()
		st, err := f.Stat()
		must(t, err)
		h, m, err := backup.Verify(ctx, f, nil)
		must(t, err)
		if st.Mode().Perm() != 0o600 || slices.Contains(h.Versions, 11) || m.Rows["history"] != 3 {
			t.Errorf("%s: %+v %+v", st.Mode(), h, m)
		}
		_, err = f.Seek(0, 0)
		must(t, err)
		back := "sqlite:" + filepath.Join(t.TempDir(), "back.db")
		must(t, backup.Restore(ctx, f, backup.Target{Dir: t.TempDir(), Ledger: back}))
		db, err := ledger.Open(ctx, back, ledger.AsItIs())
		must(t, err)
		defer func() { must(t, db.Close()) }()
		versions, err := db.Versions(ctx)
		must(t, err)
		hist, err := db.History(ctx, "thg_1")
		must(t, err)
		if len(versions) != len(h.Versions) || len(hist) != 3 {
			t.Errorf("what came back has the steps %v and %d lines of history", versions, len(hist))
		}
	})
}

func TestNoUpgradeWithoutItsCopy(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		ctx, log := context.Background(), slog.New(slog.DiscardHandler)
		cfg := config.Default()
		cfg.DataDir = t.TempDir()
		must(t, os.WriteFile(filepath.Join(cfg.DataDir, "backups"), []byte("in the way"), 0o600))
		older(t, url)
		if _, err := ledger.Open(ctx, url, copyFirst(cfg, log)); fault.KindOf(err) != fault.Unavailable {
			t.Fatalf("opened: %v", err)
		}
		db, err := ledger.Open(ctx, url, ledger.AsItIs())
		must(t, err)
		versions, err := db.Versions(ctx)
		must(t, err)
		must(t, db.Close())
		if slices.Contains(versions, 11) {
			t.Errorf("the schema was changed to %v", versions)
		}
		cfg.Hub.NoUpgradeCopy = true // The operator has a copy.
		db, err = ledger.Open(ctx, url, copyFirst(cfg, log))
		must(t, err)
		must(t, db.Close())
	})
}
