package notice_test

import (
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/share/notice"
)

// TestAProviderIsMailedWhatWaits: in the order in which it was made, each once, with
// links; what is rehearsed, another's or sent already is left out.
func TestAProviderIsMailedWhatWaits(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		r.take(r.report([]action.Weakness{weak("192.0.2.1", "exposed", "tcp/23", "a"), weak("192.0.2.2", "exposed", "tcp/23", "b"), weak("198.51.100.1", "exposed", "tcp/23", "c")}))
		drill := r.report([]action.Weakness{weak("192.0.2.4", "exposed", "tcp/23", "d")})
		drill.Survey.Realm = label.Exercise
		r.take(drill)
		r.now = r.now.Add(time.Hour)
		r.take(r.report([]action.Weakness{weak("192.0.2.3", "exposed", "tcp/23", "e")}))
		var ids []ident.ID
		var last notice.Notice
		for range 4 {
			list, err := r.Waiting(ctx, r.all, "org_a", last.MadeAt, last.ID, r.now, 1)
			must(t, err)
			for _, x := range list {
				ids, last = append(ids, x.ID), x
			}
		}
		if len(ids) != 3 || r.one(ids[2]).Device.Address.String() != "192.0.2.3" {
			t.Fatalf("what waits is %v", ids)
		}
		if list, err := r.Waiting(ctx, r.all, "org_a", time.Time{}, "", r.now.Add(-time.Minute), 10); err != nil || len(list) != 2 {
			t.Errorf("before the second survey %d wait, %v", len(list), err)
		}
		table, letters, err := r.Handout(ctx, r.all, "org_a", append(ids, r.list(r.as("org_b", access.Analyst, access.SendNotices))[0].ID))
		must(t, err)
		if n := strings.Count(string(table), "https://check.example.jp/check/"); n != 3 || strings.Contains(string(table), "198.51.100.1") {
			t.Errorf("the table has %d links:\n%s", n, table)
		}
		if n := strings.Count(string(letters), "https://check.example.jp/check/"); n != 6 || !strings.Contains(string(letters), "題名 e") || !strings.Contains(string(letters), "title of e") {
			t.Errorf("the letters have %d links", n)
		}
		if _, _, err := r.Handout(ctx, r.as("org_b", access.Analyst, access.SendNotices), "org_a", ids); fault.KindOf(err) != fault.NotFound {
			t.Errorf("another reads them: %v", err)
		}
		mailed := func() {
			t.Helper()
			must(t, db.Write(ctx, "hub:mail", func(tx *ledger.Tx) error { return r.Mailed(ctx, tx, ids[:2], "mailed to abuse@example.jp") }))
		}
		mailed()
		if x := r.one(ids[0]); x.State != notice.Sent || x.Note != "mailed to abuse@example.jp" || !x.SentAt.Equal(r.now) || r.one(ids[2]).State != notice.Made {
			t.Errorf("after the mail it is %+v", x)
		}
		version := r.one(ids[0]).Version
		mailed()
		if x := r.one(ids[0]); x.Version != version {
			t.Error("what was sent is sent again")
		}
	})
}
