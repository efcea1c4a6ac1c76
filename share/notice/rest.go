package notice

import (
	"context"
	"net/netip"
	"slices"

	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// How it is known that something is fixed.
const (
	byAnswer  = "seen"   // an answer without the weakness
	bySilence = "silent" // no answer on several days
	byQuiet   = "quiet"  // no sign of infection for a week
)

// rest judges the live notices of a provider that the survey did not see, in
// parts, and notes how much of the provider it looked at.
func (t *taking) rest(ctx context.Context, isp provider) error {
	addresses := overlap(isp.prefixes, t.r.Survey.Coverage.Ranges) - overlap(isp.prefixes, t.r.Survey.Coverage.Excluded)
	if addresses <= 0 {
		return nil
	}
	after, more := ident.ID(""), true
	for more {
		err := t.write(ctx, func(tx *ledger.Tx) error {
			list, err := query(ctx, tx, ` WHERE org = ? AND realm = ? AND ended_at = 0 AND id > ? ORDER BY id LIMIT 200`, isp.id, t.r.Survey.Realm.String(), after)
			if err != nil {
				return err
			}
			more = len(list) == portion
			for _, x := range list {
				after = x.ID
				if x.LastLooked.Before(t.at) {
					if err := t.unseen(ctx, tx, x); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if checks := t.r.Survey.Coverage.Checks; !slices.Contains(checks, string(Exposed)) && !slices.Contains(checks, string(Firmware)) {
		return nil // It watched, and asked nobody.
	}
	err := t.write(ctx, func(tx *ledger.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO notice_survey (id, org, realm, day, at, addresses, answered) VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`,
			t.r.Survey.ID, isp.id, t.r.Survey.Realm.String(), t.n.day(t.at), ledger.Micros(t.at), addresses, t.answered(isp))
		return err
	})
	return fault.Wrap(opTake, err)
}

// answered counts the devices that the survey met at a provider.
func (t *taking) answered(isp provider) (n int64) {
	met := map[netip.Addr]bool{}
	for _, d := range t.r.Devices {
		a := d.Address.Unmap()
		if o, _ := t.of.Lookup(a); o == isp.id && !met[a] {
			met[a] = true
			n++
		}
	}
	return n
}

// unseen judges a notice of which the survey saw nothing.
func (t *taking) unseen(ctx context.Context, tx *ledger.Tx, x Notice) error {
	var left []Weak
	judged, silent := 0, 0
	for _, w := range x.Weak {
		if t.seen[place{x.Device.Address, x.Group, w.Place, w.Name}] {
			left = append(left, w) // It is there, and taken for another device's.
			continue
		}
		switch t.looked(x, w) {
		case action.Judged:
			judged++
			continue
		case action.Silent:
			silent++
		}
		left = append(left, w)
	}
	if judged+silent == 0 {
		return nil // It looked elsewhere.
	}
	x.LastLooked = t.at
	if judged > 0 && len(left) > 0 { // What is fixed goes on saying what it was.
		x.Weak, x.Silent, x.silentDay = left, 0, ""
	} else if day := t.n.day(t.at); day != x.silentDay {
		x.Silent, x.silentDay = x.Silent+1, day
	}
	switch {
	case len(left) == 0:
		return t.fix(ctx, tx, x, byAnswer, outcomeGone)
	case x.Group == Infected && t.at.Sub(x.LastSeen) >= quiet:
		return t.fix(ctx, tx, x, byQuiet, outcomeGone)
	case x.Group != Infected && silent == len(left) && x.Silent >= maxSilent:
		return t.fix(ctx, tx, x, bySilence, outcomeSilent)
	}
	if silent > 0 {
		t.out.Silent++
		if _, err := t.answer(ctx, tx, x.ID, outcomeSilent); err != nil {
			return err
		}
	}
	return update(ctx, tx, x, "")
}

func (t *taking) fix(ctx context.Context, tx *ledger.Tx, x Notice, proof, outcome string) error {
	x.State, x.Proof, x.EndedAt, x.Survey, x.By, x.Note = Fixed, proof, t.at, t.r.Survey.ID, t.scope.Actor(), ""
	x.Version++
	t.out.Fixed++
	t.changed[x.ID] = x.Org
	if _, err := t.answer(ctx, tx, x.ID, outcome); err != nil {
		return err
	}
	return update(ctx, tx, x, "fixed")
}

// answer ends the looks that an owner has asked for, and tells whether there were
// any. A look that began before it was asked for is no answer.
func (t *taking) answer(ctx context.Context, tx *ledger.Tx, id ident.ID, outcome string) (bool, error) {
	r, err := tx.Exec(ctx, `UPDATE notice_check SET done_at = ?, outcome = ? WHERE notice = ? AND done_at = 0 AND asked_at <= ?`,
		ledger.Micros(t.n.now()), outcome, id, ledger.Micros(t.r.Survey.Began))
	if err != nil {
		return false, err
	}
	k, err := r.RowsAffected()
	return k > 0, err
}

// overlap counts the addresses that lists of ranges have in common. IPv6 is
// counted in networks of 64 bits, which is what a subscriber has.
func overlap(a, b []netip.Prefix) (n int64) {
	for _, x := range a {
		for _, y := range b {
			if !x.Overlaps(y) {
				continue
			}
			bits, whole := max(x.Bits(), y.Bits()), 32
			if x.Addr().Is6() {
				whole = 64
			}
			n += 1 << min(40, max(0, whole-bits))
		}
	}
	return n
}
