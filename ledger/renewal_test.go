package ledger_test

import (
	"testing"

	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// TestNodesThatJoinedBeforeRenewalKeepTheirKey brings a ledger of before
// certificates were renewed up to date.
func TestNodesThatJoinedBeforeRenewalKeepTheirKey(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		old(t, url)
		db := open(t, url)
		must(t, db.Read(t.Context(), func(q ledger.Queryer) error {
			var node string
			var issued, notAfter, retired int64
			err := q.QueryRow(t.Context(), `SELECT node, issued_at, not_after, retired_at FROM node_key WHERE spki_sha256 = 's'`).Scan(&node, &issued, &notAfter, &retired)
			if node != "nod_1" || issued != 1764000000000000 || notAfter != -1 || retired != 0 {
				t.Errorf("its key is of %q from %d to %d, retired %d", node, issued, notAfter, retired)
			}
			return err
		}))
	})
}
