package remediation

import (
	"fmt"
	"time"

	"noroshi/action"
	"noroshi/ident"
)

// The events of an action that a survey makes, as its history names them.
const (
	reopened = "reopened"
	denied   = "denied"
	changed  = "changed"
	owned    = "owned"
	proved   = "proved"
	refuted  = "refuted"
	silent   = "silent" // it is counted, and no line of history
)

// by is how a survey signs.
func (t *taking) by() string { return "survey:" + string(t.v.ID) }

// fresh is the action that a weakness becomes.
func (t *taking) fresh(o ident.ID, w seen) *row {
	at := t.v.Ended
	a := &row{Action: action.Action{ID: t.r.d.Ident.New(ident.Action), Org: o, OwnerKnown: w.Org != "", Realm: t.v.Realm, Source: t.v.Source, Fingerprint: w.fingerprint,
		Weakness: *w.Weakness, State: action.Open, FirstSeen: at, LastSeen: at, LastLooked: at, By: t.by(), Version: 1}, origin: o, stateAt: at}
	a.Weakness.Org = ""
	a.digest = digest(a.Weakness)
	t.r.open(a, at)
	if w.Decision != nil {
		a.refute(at)
	}
	return a
}

// refute ends an action by the decision about its weakness, which lasts: only a
// survey that sees the weakness without one opens it again.
func (a *row) refute(at time.Time) {
	a.State, a.stateAt, a.Ended, a.remind = action.Refuted, at, at, time.Time{}
	a.Proof, a.Exception, a.RefutedUntil, a.Silent, a.silentAt = nil, nil, time.Time{}, 0, time.Time{}
	a.Why, a.WhyJA = a.Weakness.Decision.Why, a.Weakness.Decision.WhyJA
}

// open begins the time in which an action is to be done.
func (r *Remediation) open(a *row, at time.Time) {
	a.State, a.opened, a.stateAt = action.Open, at, at
	a.Ended, a.Proof, a.Exception, a.RefutedUntil, a.Escalated = time.Time{}, nil, nil, time.Time{}, 0
	a.Silent, a.silentAt = 0, time.Time{}
	a.Priority = priority(&a.Weakness)
	due, rule := r.d.Policy.due(&a.Weakness, r.sector(a.Org), at)
	r.until(a, due, rule)
}

// until sets the date.
func (r *Remediation) until(a *row, due time.Time, rule *Rule) {
	a.Due, a.DueWhy, a.DueWhyJA = due, rule.Why, rule.WhyJA
	a.remind = due.Add(-r.cfg.RemindBefore)
}

func (r *Remediation) sector(o ident.ID) string {
	x, _ := r.d.Tree().Get(o)
	return x.Sector
}

// judgeSeen says what becomes of an action whose weakness was seen; "" when all
// that changes is when it was seen.
func (t *taking) judgeSeen(a *row, o ident.ID, w seen) (event string) {
	at := t.v.Ended
	saw := *w.Weakness
	saw.Org = ""
	if d := digest(saw); d != a.digest {
		event = changed
		a.Weakness, a.digest, a.Priority = saw, d, priority(&saw)
		// It became more urgent: the new time counts from now, and never makes later.
		if due, rule := t.r.d.Policy.due(&saw, t.r.sector(a.Org), at); due.Before(a.Due) {
			t.r.until(a, due, rule)
		}
	}
	if w.Org != "" && !a.OwnerKnown {
		event = owned
		a.Org, a.OwnerKnown = o, true
	}
	switch {
	case w.Decision != nil && a.State == action.Refuted && a.RefutedUntil.After(at): // A person said so before.
	case w.Decision != nil && a.State == action.Refuted && a.RefutedUntil.IsZero():
		a.Why, a.WhyJA = a.Weakness.Decision.Why, a.Weakness.Decision.WhyJA
	case w.Decision != nil:
		event = refuted
		a.refute(at)
		t.out.Refuted++
	case a.State == action.Claimed && !t.v.Began.Before(a.stateAt):
		event = denied
		a.State, a.stateAt = action.Open, at
		a.Why, a.WhyJA = "it was said to be mended, and is still seen", "対応済みと報告されましたが、まだ確認されています"
		t.out.Denied++
	case a.State == action.Proved:
		event = reopened
		t.r.open(a, at)
		a.Reopened++
		a.Why, a.WhyJA = "it is seen again after it was proved to be gone", "解消の確認後に再び確認されました"
		t.out.Reopened++
	case a.State == action.Refuted && !a.RefutedUntil.After(at):
		event = reopened
		a.Why, a.WhyJA = "it is seen, and its refutation has ended", "誤検知とした期限が切れ、再び確認されました"
		if a.RefutedUntil.IsZero() {
			a.Why, a.WhyJA = "it is seen, and the decision about it does not hold any more", "影響なしとした判断(VEX)が当てはまらなくなりました"
		}
		t.r.open(a, at)
		a.Reopened++
		t.out.Reopened++
	}
	if event == "" {
		return ""
	}
	a.LastSeen, a.LastLooked, a.Silent = at, at, 0
	if event == reopened || event == denied || event == refuted {
		a.By = t.by()
		a.Version++
	}
	return event
}

// judgeUnseen says what becomes of a live action that the survey did not see: only
// an answer proves that it is gone, or silence that lasts.
func (t *taking) judgeUnseen(a *row) (event string) {
	w, at := &a.Weakness, t.v.Ended
	switch t.look(w.Check, w.Asset, w.Place) {
	case action.Judged:
		t.prove(a, fmt.Sprintf("The place was looked at from %s to %s by %s, for %s, and the weakness was not there.", clock(t.v.Began), clock(at), t.v.By, w.Check),
			"looked at, and not there any more", "再調査の結果、解消を確認しました")
		return proved
	case action.Silent:
		if a.Silent > 0 && at.Sub(a.silentAt) < t.r.cfg.SilentGap {
			return "" // Too soon to be a second sign.
		}
		a.Silent++
		a.silentAt = at
		if a.Silent < 2 {
			return silent
		}
		t.prove(a, fmt.Sprintf("The place gave no answer in %d surveys in a row, the last at %s by %s.", a.Silent, clock(at), t.v.By),
			"no answer any more, in two surveys", "二度の調査で応答がなく、解消とみなしました")
		return proved
	}
	return ""
}

// prove is the only way to proved.
func (t *taking) prove(a *row, text, why, whyJA string) {
	at := t.v.Ended
	a.State, a.stateAt, a.Ended, a.LastLooked, a.remind = action.Proved, at, at, at, time.Time{}
	a.Exception = nil
	a.Proof = &action.Evidence{At: at, Text: text, By: t.by()}
	a.Why, a.WhyJA, a.By = why, whyJA, t.by()
	a.Version++
	t.out.Proved++
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
