package mail_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
	"noroshi/share/mail"
)

func base64Of(r io.Reader) io.Reader { return base64.NewDecoder(base64.StdEncoding, r) }

const centre, isp ident.ID = "org_0", "org_isp"

// rig is a hub's mail, with what there is to tell.
type rig struct {
	*mail.Mail
	db        *ledger.DB
	office    *postOffice
	now       time.Time
	reminders map[ident.ID][]mail.Reminder
	waiting   []mail.Made
	sent      []ident.ID
	centre    access.Scope
	isp       access.Scope
}

func newRig(t *testing.T, db *ledger.DB) *rig {
	r := &rig{db: db, office: openPostOffice(t), now: time.Date(2026, 11, 25, 23, 0, 0, 0, time.UTC), reminders: map[ident.ID][]mail.Reminder{}}
	tree := org.NewTree([]org.Organisation{{ID: centre, Slug: "centre", Name: "Centre", NameJA: "統括"}, {ID: isp, Parent: centre, Slug: "isp", Name: "Provider", NameJA: "事業者"}})
	auth, err := access.New(nil)
	must(t, err)
	for o, s := range map[ident.ID]*access.Scope{centre: &r.centre, isp: &r.isp} {
		*s, err = auth.Scope(access.Principal{ID: "psn_" + o, Roles: map[ident.ID][]string{o: {access.Administrator}}}, tree, access.ManageMail)
		must(t, err)
	}
	tokyo := time.FixedZone("JST", 9*3600)
	r.Mail, err = mail.New(mail.Config{Relay: r.office.relay(), From: "noroshi@example.jp", FromName: "統括", Contact: "help@example.jp", PerMinute: 600, Hour: 9, Zone: tokyo, Link: func() string { return "https://hub.example.jp" }},
		mail.Deps{DB: db, Notices: r, Tree: func() *org.Tree { return tree }, Now: func() time.Time { return r.now }, Ident: ident.System(), Log: slog.New(slog.DiscardHandler),
			Reminders: func(_ context.Context, told ident.ID, from, to time.Time) (out []mail.Reminder, err error) {
				for _, x := range r.reminders[told] {
					if x.At.After(from) && !x.At.After(to) {
						out = append(out, x)
					}
				}
				return out, nil
			}})
	must(t, err)
	return r
}

func (r *rig) Waiting(_ context.Context, org ident.ID, after mail.Made, before time.Time, most int) (out []mail.Made, err error) {
	for _, x := range r.waiting {
		if org == isp && (x.At.After(after.At) || x.At.Equal(after.At) && x.ID > after.ID) && !x.At.After(before) && len(out) < most && !slices.Contains(r.sent, x.ID) {
			out = append(out, x)
		}
	}
	return out, nil
}

func (r *rig) Files(_ context.Context, _ ident.ID, ids []ident.ID) ([]mail.File, error) {
	return []mail.File{{Name: "notices.csv", Type: "text/csv", Content: fmt.Append(nil, ids)}}, nil
}

func (r *rig) Sent(_ context.Context, _ *ledger.Tx, ids []ident.ID, _ string) error {
	for _, id := range ids {
		if !slices.Contains(r.sent, id) {
			r.sent = append(r.sent, id)
		}
	}
	return nil
}

func (r *rig) add(t *testing.T, s access.Scope, o ident.ID, address string) mail.Recipient {
	t.Helper()
	x, err := r.Add(t.Context(), s, o, address, mail.Wish{Lang: "ja", Actions: true, Notices: true, State: mail.Active})
	must(t, err)
	return x
}

func (r *rig) remind(o ident.ID, action ident.ID) {
	r.reminders[o] = append(r.reminders[o], mail.Reminder{Action: action, At: r.now, Org: isp, Kind: "late", Due: r.now, Title: "A weak thing", TitleJA: "弱点 " + string(action), Asset: "www\r\nBcc: x"})
}

// pass lets time pass, with a look at its end.
func (r *rig) pass(t *testing.T, d time.Duration) {
	t.Helper()
	r.now = r.now.Add(d)
	must(t, r.Look(t.Context()))
}

// texts are the letters that the relay has for an address, as they are read.
func (r *rig) texts(t *testing.T, address string) (out []string) {
	t.Helper()
	for _, l := range r.office.letters() {
		if l.to != address {
			continue
		}
		m, err := netmail.ReadMessage(strings.NewReader(l.content))
		must(t, err)
		b, err := io.ReadAll(m.Body)
		must(t, err)
		if !strings.HasPrefix(m.Header.Get("Content-Type"), "multipart/") {
			b, err = io.ReadAll(base64Of(strings.NewReader(string(b))))
			must(t, err)
		}
		out = append(out, string(b))
	}
	return out
}

// TestOneDigestADayForEachPerson: what came since the last, once, for all of a
// person's organisations together, and nothing when there is nothing.
func TestOneDigestADayForEachPerson(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		r.remind(isp, "act_before")
		r.add(t, r.centre, centre, "officer@example.jp")
		r.add(t, r.centre, isp, "officer@example.jp")
		r.add(t, r.isp, isp, "other@example.jp")
		r.now = r.now.Add(time.Second)
		r.remind(isp, "act_1")
		r.remind(isp, "act_1")
		r.remind(centre, "act_2")
		r.pass(t, 30*time.Minute)
		if n := len(r.office.letters()); n != 0 {
			t.Fatalf("at half past eight %d letters went out", n)
		}
		r.pass(t, time.Hour)
		r.pass(t, time.Hour)
		got := r.texts(t, "officer@example.jp")
		if len(got) != 1 || strings.Count(got[0], "弱点 act_1") != 1 || strings.Count(got[0], "弱点 act_2") != 1 || strings.Contains(got[0], "act_before") || !strings.Contains(got[0], "https://hub.example.jp/actions?state=all&id=act_1") || strings.Contains(got[0], "\nBcc") {
			t.Errorf("the officer reads %q", got)
		}
		if got := r.texts(t, "other@example.jp"); len(got) != 1 || strings.Contains(got[0], "act_2") {
			t.Errorf("the other reads %q", got)
		}
		r.pass(t, 24*time.Hour)
		if n := len(r.office.letters()); n != 2 {
			t.Errorf("nothing is new, and %d letters went out", n-2)
		}
		r.remind(isp, "act_3")
		r.pass(t, 24*time.Hour)
		if got := r.texts(t, "other@example.jp"); len(got) != 2 || strings.Contains(got[1], "act_1") || !strings.Contains(got[1], "act_3") {
			t.Errorf("the next day the other reads %q", got)
		}
	})
}

// TestWhatTheRelayDoesNotTakeIsTriedAgain: later and later, without a second letter,
// until it has it; what is refused for ever is told.
func TestWhatTheRelayDoesNotTakeIsTriedAgain(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		x := r.add(t, r.isp, isp, "a@example.jp")
		r.now = r.now.Add(time.Second)
		r.remind(isp, "act_1")
		r.office.answer("RCPT", "451 later")
		r.pass(t, 2*time.Hour)
		for range 4 {
			r.pass(t, 20*time.Second) // Too early for the next try.
		}
		l, err := r.Letters(ctx, r.isp, mail.Waiting, 0)
		must(t, err)
		if len(l) != 1 || l[0].Tries != 2 || !strings.Contains(l[0].Why, "451") || l[0].Text != "" {
			t.Fatalf("what waits is %+v", l)
		}
		if st, err := r.Stats(ctx); err != nil || st.Waiting != 1 || st.Recipients != 1 || !st.On || !strings.Contains(st.Why, "451") {
			t.Errorf("the mail is %+v, %v", st, err)
		}
		r.office.answer("RCPT", "")
		r.pass(t, 6*time.Hour)
		r.pass(t, 6*time.Hour)
		if got := r.office.letters(); len(got) != 1 || !strings.Contains(got[0].content, "Message-ID: <"+string(l[0].ID)+"@example.jp>") {
			t.Fatalf("the relay has %+v", got)
		}
		r.remind(isp, "act_2")
		r.office.answer("RCPT", "550 nobody of that name")
		r.pass(t, 24*time.Hour)
		r.pass(t, time.Hour)
		list, err := r.Recipients(ctx, r.isp)
		must(t, err)
		if len(list) != 1 || !strings.Contains(list[0].Failed, "550") {
			t.Errorf("who gets mail is %+v", list)
		}
		l, err = r.Letters(ctx, r.isp, mail.Failed, 0)
		if err != nil || len(l) != 1 || l[0].Tries != 1 {
			t.Fatalf("what failed is %+v, %v", l, err)
		}
		if _, err := r.Retry(ctx, r.isp, l[0].ID); err != nil {
			t.Error(err)
		}
		r.office.answer("RCPT", "")
		r.pass(t, time.Minute)
		if got := r.texts(t, "a@example.jp"); len(got) != 2 || !strings.Contains(got[1], "act_2") {
			t.Errorf("after another try the relay has %q", got)
		}
		if list, err = r.Recipients(ctx, r.isp); err != nil || list[0].Failed != "" {
			t.Errorf("it came, and the list says %+v, %v", list, err)
		}
		if _, err := r.Change(ctx, r.isp, x.ID, x.Version, mail.Wish{Lang: "en", Actions: true, State: mail.Active}); fault.KindOf(err) != fault.Conflict {
			t.Errorf("an old version is changed: %v", err)
		}
	})
}

// TestNoticesAreSentWhenTheRelayHasThem, and not before; another hub that begins
// again sends none twice.
func TestNoticesAreSentWhenTheRelayHasThem(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		for i := range 2500 { // More than one letter takes.
			r.waiting = append(r.waiting, mail.Made{At: r.now.Add(-time.Hour), ID: ident.ID(fmt.Sprintf("ntc_%04d", i))})
		}
		r.add(t, r.isp, isp, "a@example.jp")
		r.office.answer("DATA", "452 full")
		r.pass(t, 2*time.Hour)
		r.pass(t, time.Second)
		if len(r.sent) != 0 {
			t.Fatalf("the relay took nothing, and %d are sent", len(r.sent))
		}
		r.office.answer("DATA", "")
		r.pass(t, time.Hour)
		r.pass(t, time.Hour)
		if n := len(r.office.letters()); len(r.sent) != 2500 || n != 2 {
			t.Errorf("%d are sent in %d letters", len(r.sent), n)
		}
		if got := r.office.letters()[0].content; !strings.Contains(got, "isp-notices.csv") {
			t.Error("the table is not there")
		}
	})
}

// TestWhoIsStoppedGetsNothing, also of what waits already; who shared the letter gets
// another.
func TestWhoIsStoppedGetsNothing(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	a := r.add(t, r.isp, isp, "a@example.jp")
	r.add(t, r.centre, centre, "a@example.jp")
	r.now = r.now.Add(time.Second)
	r.remind(isp, "act_1")
	r.remind(centre, "act_2")
	r.office.answer("MAIL", "421 not now")
	r.pass(t, 2*time.Hour)
	list, err := r.Recipients(ctx, r.isp)
	must(t, err)
	_, err = r.Change(ctx, r.isp, a.ID, list[0].Version, mail.Wish{Lang: "ja", Actions: true, State: mail.Stopped})
	must(t, err)
	r.office.answer("MAIL", "")
	r.pass(t, time.Hour)
	r.pass(t, time.Hour)
	if got := r.texts(t, "a@example.jp"); len(got) != 1 || strings.Contains(got[0], "act_1") || !strings.Contains(got[0], "act_2") {
		t.Errorf("who stopped one of two reads %q", got)
	}
}

// TestTheListIsOfItsOrganisation: nobody reads, enters or stops for another.
func TestTheListIsOfItsOrganisation(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	x := r.add(t, r.centre, centre, "a@example.jp")
	wish := mail.Wish{Lang: "ja", Actions: true, State: mail.Active}
	_, add := r.Add(ctx, r.isp, centre, "b@example.jp", wish)
	_, change := r.Change(ctx, r.isp, x.ID, x.Version, wish)
	_, test := r.Test(ctx, r.isp, x.ID)
	for what, err := range map[string]error{"enters": add, "changes": change, "tests": test, "removes": r.Remove(ctx, r.isp, x.ID)} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("another %s: %v", what, err)
		}
	}
	if list, err := r.Recipients(ctx, r.isp); err != nil || len(list) != 0 {
		t.Errorf("another reads %+v, %v", list, err)
	}
	if _, err := r.Add(ctx, r.centre, centre, "a@EXAMPLE.jp", wish); fault.KindOf(err) != fault.Conflict {
		t.Errorf("one is on the list twice: %v", err)
	}
	_, err := r.Test(ctx, r.centre, x.ID)
	must(t, err)
	r.pass(t, 0)
	if got := r.texts(t, "a@example.jp"); len(got) != 1 || !strings.Contains(got[0], "配信の設定は正しく") {
		t.Errorf("the test reads %q", got)
	}
	must(t, r.Remove(ctx, r.centre, x.ID))
	if n, err := r.Forget(ctx, centre, time.Time{}); err != nil || n != 1 {
		t.Errorf("deleted were %d, %v", n, err)
	}
}
