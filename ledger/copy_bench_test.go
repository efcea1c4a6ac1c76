package ledger_test

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// filled has b.N lines of history, as large as those of a finding.
func filled(b *testing.B) *ledger.DB {
	db := ledgertest.SQLite(b)
	state := strings.Repeat("x", 400)
	for done := 0; done < b.N; {
		n := min(10_000, b.N-done)
		succeed(b, db.Write(b.Context(), "t", func(tx *ledger.Tx) error {
			for range n {
				if err := tx.Record(b.Context(), "finding", "fnd_1", "org_1", "found", state); err != nil {
					return err
				}
			}
			return nil
		}))
		done += n
	}
	return db
}

func succeed(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkDump is what a row costs a backup.
func BenchmarkDump(b *testing.B) {
	db := filled(b)
	b.ResetTimer()
	succeed(b, db.Dump(b.Context(), func(d *ledger.Dump) error {
		for _, t := range d.Tables {
			if _, err := d.Rows(b.Context(), t, io.Discard); err != nil {
				return err
			}
		}
		return nil
	}))
}

// BenchmarkLoad is what a row costs a restore.
func BenchmarkLoad(b *testing.B) {
	var versions []int64
	var list []ledger.Table
	rows := map[string]*bytes.Buffer{}
	succeed(b, filled(b).Dump(b.Context(), func(d *ledger.Dump) error {
		versions, list = d.Versions, d.Tables
		for _, t := range list {
			rows[t.Name] = new(bytes.Buffer)
			if _, err := d.Rows(b.Context(), t, rows[t.Name]); err != nil {
				return err
			}
		}
		return nil
	}))
	b.ResetTimer()
	succeed(b, ledger.Load(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "l.db"), versions, func(l *ledger.Loader) error {
		for _, t := range list {
			if _, err := l.Table(b.Context(), t, rows[t.Name]); err != nil {
				return err
			}
		}
		return nil
	}))
}
