package ledger_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// BenchmarkWriteWithHistory is eight writers, each changing records of its own
// with a line of history. The test server does not sync to disk; SQLite does.
func BenchmarkWriteWithHistory(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *ledger.DB{"sqlite": ledgertest.SQLite, "postgres": ledgertest.Postgres} {
		b.Run(name, func(b *testing.B) {
			db, ctx := open(b), b.Context()
			var n atomic.Int64
			b.SetParallelism(4)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					key := "k" + strconv.FormatInt(n.Add(1), 10)
					err := db.Write(ctx, "t", func(tx *ledger.Tx) error {
						if err := set(ctx, tx, key, "v"); err != nil {
							return err
						}
						return tx.Record(ctx, "setting", "set_1", "", "put", key)
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
