package remediation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Take takes a survey: every weakness becomes or refreshes the one action that it
// is, and what was covered and not seen any more is proved. A survey that is
// handed in again counts once; one that was interrupted goes on where it was.
func (r *Remediation) Take(ctx context.Context, s access.Scope, v action.Survey) (action.Outcome, error) {
	if err := r.check(s, &v); err != nil {
		return action.Outcome{}, err
	}
	v.Began, v.Ended = v.Began.UTC().Truncate(time.Microsecond), v.Ended.UTC().Truncate(time.Microsecond)
	sum := sha256.Sum256([]byte(ledger.JSON(v)))
	t := &taking{r: r, v: &v, scope: s, look: v.Coverage.Looker(), digest: hex.EncodeToString(sum[:]), steps: steps(&v)}
	for {
		err := r.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error { return t.proceed(ctx, tx) })
		if err != nil {
			return action.Outcome{}, fault.Wrap(opTake, err)
		}
		for o := range t.changed {
			r.OnChange(Change{Org: o, ID: v.ID})
		}
		if t.made >= len(t.steps) {
			return t.out, nil
		}
	}
}

// taking is one survey on its way into the ledger.
type taking struct {
	r      *Remediation
	v      *action.Survey
	scope  access.Scope
	look   func(string, action.Asset, string) action.Look
	digest string
	steps  []step

	// What the last transaction left.
	made    int
	out     action.Outcome
	changed map[ident.ID]bool
	counts  ledger.Tally
}

// proceed makes the next steps in one transaction.
func (t *taking) proceed(ctx context.Context, tx *ledger.Tx) error {
	t.changed, t.counts, t.made, t.out = map[ident.ID]bool{}, ledger.Tally{}, 0, action.Outcome{Survey: t.v.ID}
	if err := t.resume(ctx, tx); err != nil {
		return err
	}
	if t.out.Repeated = t.made >= len(t.steps); t.out.Repeated {
		return nil
	}
	next := t.steps[t.made:]
	next = next[:portion(next)]
	for _, s := range next {
		do := t.meet
		if s.rest {
			do = t.rest
		}
		if err := do(ctx, tx, s); err != nil {
			return err
		}
	}
	t.made += len(next)
	if err := t.counts.Write(ctx, tx, "action_count"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE action_survey SET made = ?, outcome = ? WHERE id = ?`, t.made, ledger.JSON(t.out), string(t.v.ID)); err != nil {
		return err
	}
	if t.made < len(t.steps) {
		return nil
	}
	v := t.v
	return tx.Record(ctx, "survey", v.ID, v.Org, "taken", map[string]any{"source": v.Source, "by": v.By, "basis": v.Basis, "began": v.Began, "ended": v.Ended, "outcome": t.out})
}

// resume reads how far the survey is.
func (t *taking) resume(ctx context.Context, tx *ledger.Tx) error {
	var digest, outcome string
	err := tx.QueryRow(ctx, `SELECT digest, made, outcome FROM action_survey WHERE id = ?`, string(t.v.ID)).Scan(&digest, &t.made, &outcome)
	switch {
	case ledger.NoRows(err):
		_, err = tx.Exec(ctx, `INSERT INTO action_survey (id, org, source, ended, digest, made, steps, outcome) VALUES (?,?,?,?,?,0,?,?)`,
			string(t.v.ID), string(t.v.Org), string(t.v.Source), ledger.Micros(t.v.Ended), t.digest, len(t.steps), ledger.JSON(t.out))
		return err
	case err != nil:
		return err
	case digest != t.digest:
		return fault.New(fault.Conflict, opTake, "another survey was handed in under the identifier %s", t.v.ID)
	}
	return json.Unmarshal([]byte(outcome), &t.out)
}

// meet takes weaknesses of one organisation.
func (t *taking) meet(ctx context.Context, tx *ledger.Tx, s step) error {
	known, err := t.known(ctx, tx, s)
	if err != nil {
		return err
	}
	var fresh []*row
	var same, other []ident.ID
	saw := map[ident.ID]seen{}
	for _, w := range s.seen {
		b, ok := known[w.fingerprint]
		switch {
		case !ok:
			fresh = append(fresh, t.fresh(s.org, w))
		case !t.scope.Allows(b.org) || t.v.Ended.Before(b.looked):
			t.out.Skipped++
		case b.stays(w):
			same = append(same, b.id)
		default:
			other = append(other, b.id)
			saw[b.id] = w
		}
	}
	t.out.Seen += len(same) + len(other)
	again, err := t.judge(ctx, tx, s.org, other, saw)
	if err != nil {
		return err
	}
	same = append(same, again...)
	if err := t.refresh(ctx, tx, same); err != nil {
		return err
	}
	t.out.New += len(fresh)
	if err := insert(ctx, tx, fresh, t.counts); err != nil {
		return err
	}
	for _, a := range fresh {
		t.changed[a.Org] = true
		event, said := "opened", map[string]any{"survey": t.v.ID, "due": a.Due}
		if a.State == action.Refuted {
			event, said = refuted, map[string]any{"survey": t.v.ID, "state": a.State, "why": a.Why, "why_ja": a.WhyJA}
		}
		if err := tx.Record(ctx, "action", a.ID, a.Org, event, said); err != nil {
			return err
		}
	}
	return nil
}

func (t *taking) save(ctx context.Context, tx *ledger.Tx, a *row, was ident.ID, event string) error {
	t.changed[a.Org] = true
	if err := save(ctx, tx, a, was, t.counts); err != nil {
		return err
	}
	return tx.Record(ctx, "action", a.ID, a.Org, event, map[string]any{"survey": t.v.ID, "state": a.State, "due": a.Due, "why": a.Why, "why_ja": a.WhyJA, "proof": a.Proof})
}

// refresh notes that actions were seen again and are what they were.
func (t *taking) refresh(ctx context.Context, tx *ledger.Tx, ids []ident.ID) error {
	at := ledger.Micros(t.v.Ended)
	for part := range slices.Chunk(ids, 500) {
		in, args := ledger.In(part)
		if _, err := tx.Exec(ctx, `UPDATE action SET last_seen = ?, last_looked = ?, silent = 0 WHERE id IN `+in, append([]any{at, at}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// rest judges what the survey did not see of an organisation.
func (t *taking) rest(ctx context.Context, tx *ledger.Tx, s step) error {
	at := ledger.Micros(t.v.Ended)
	var tabs []string
	for _, st := range action.States {
		if st.Live() {
			tabs = append(tabs, tabOf(st, t.v.Realm))
		}
	}
	marks, in := ledger.In(tabs)
	// What this survey saw has its time, and is not among them.
	where := `tab IN ` + marks + ` AND source || '' = ? AND last_seen + 0 < ? AND last_looked + 0 <= ?` // By the organisation's index.
	args := append(in, string(t.v.Source), at, at)
	list, err := readRows(ctx, tx, `org = ? AND `+where, append([]any{string(s.org)}, args...)...)
	if err != nil {
		return err
	}
	moved, err := readRows(ctx, tx, `origin = ? AND origin <> org AND `+where, append([]any{string(s.org)}, args...)...)
	if err != nil {
		return err
	}
	for _, a := range append(list, moved...) {
		if !t.scope.Allows(a.Org) {
			continue
		}
		event := t.judgeUnseen(a)
		if event == "" {
			continue
		}
		if event == silent {
			t.out.Silent++
			if _, err := tx.Exec(ctx, `UPDATE action SET silent = ?, silent_at = ?, last_looked = ? WHERE id = ?`, a.Silent, ledger.Micros(a.silentAt), at, string(a.ID)); err != nil {
				return err
			}
			continue
		}
		if err := t.save(ctx, tx, a, a.Org, event); err != nil {
			return err
		}
	}
	return nil
}
