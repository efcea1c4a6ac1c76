package notice

import (
	"context"
	"slices"
	"strconv"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Verdict is what somebody says about a notice.
type Verdict string

// The verdicts.
const (
	Useful       Verdict = "useful"
	WrongDevice  Verdict = "wrong_device"  // such a device is not here
	WrongOwner   Verdict = "wrong_owner"   // it is somebody else's
	AlreadyFixed Verdict = "already_fixed" // before the notice came
	OtherWords   Verdict = "other"
)

// Verdicts lists them.
var Verdicts = []Verdict{Useful, WrongDevice, WrongOwner, AlreadyFixed, OtherWords}

// Who says it.
const (
	ByProvider = "isp"
	ByMaker    = "maker"
	ByOwner    = "owner"
)

// Feedback is one answer to a notice.
type Feedback struct {
	At      time.Time `json:"at"`
	Who     string    `json:"who"`
	Verdict Verdict   `json:"verdict"`
	Words   string    `json:"words,omitempty"`
}

const (
	maxWords    = 1000 // runes
	maxFeedback = 50   // of one notice
)

// Say keeps what a provider, or a maker through somebody who may, says about a
// notice.
func (n *Notices) Say(ctx context.Context, s access.Scope, id ident.ID, who string, v Verdict, words string) error {
	if who != ByProvider && who != ByMaker && who != ByOwner {
		return fault.New(fault.Invalid, "notice.feedback", "say whose words they are: isp, maker or owner")
	}
	err := n.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		x, err := get(ctx, tx, s, id)
		if err != nil {
			return err
		}
		return n.say(ctx, tx, x, who, v, words)
	})
	return fault.Wrap("notice.feedback", err)
}

func (n *Notices) say(ctx context.Context, tx *ledger.Tx, x Notice, who string, v Verdict, words string) error {
	const op = "notice.feedback"
	if !slices.Contains(Verdicts, v) {
		return fault.New(fault.Invalid, op, "%q is no answer to a notice", clip(string(v), 40))
	}
	if len(words) > 4*maxWords {
		return fault.New(fault.TooLarge, op, "say it in at most %d characters", maxWords)
	}
	var k int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM notice_feedback WHERE notice = ?`, x.ID).Scan(&k); err != nil {
		return err
	}
	if k >= maxFeedback {
		return fault.New(fault.Exhausted, op, "there are %d answers to this notice already", maxFeedback)
	}
	_, err := tx.Exec(ctx, `INSERT INTO notice_feedback (id, notice, org, at, who, verdict, words, actor) VALUES (?,?,?,?,?,?,?,?)`,
		n.d.Ident.New(ident.Notice), x.ID, x.Org, ledger.Micros(n.now()), who, string(v), clip(words, maxWords), tx.Actor())
	return err
}

// Said lists what was said about a notice, oldest first.
func (n *Notices) Said(ctx context.Context, s access.Scope, id ident.ID) (list []Feedback, err error) {
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) error {
		if _, err := get(ctx, q, s, id); err != nil {
			return err
		}
		rows, err := q.Query(ctx, `SELECT at, who, verdict, words FROM notice_feedback WHERE notice = ? ORDER BY at, id`, id)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			var f Feedback
			var at int64
			err := sc(&at, &f.Who, &f.Verdict, &f.Words)
			f.At = ledger.Time(at)
			list = append(list, f)
			return err
		})
	})
	return list, fault.Wrap("notice.feedback", err)
}

// Rule is how a rule did: how many notices it made, and what was said to them.
type Rule struct {
	Rule    string            `json:"rule"`
	Notices int64             `json:"notices"`
	Said    map[Verdict]int64 `json:"said"`
	// Wrong is the share of the answers that say that the device or its owner is
	// another, 0 to 1; WrongDevice and WrongOwner of all.
	Wrong float64 `json:"wrong"`
}

const maxRules = 1000

// Rules lists the rules behind the notices of the scope, those that are most often
// wrong first.
func (n *Notices) Rules(ctx context.Context, s access.Scope) (list []Rule, err error) {
	in, args := ledger.In(s.Orgs())
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) error {
		at := map[string]int{}
		rows, err := q.Query(ctx, `SELECT rule, COUNT(*) FROM notice_rule WHERE org IN `+in+` GROUP BY rule ORDER BY COUNT(*) DESC, rule LIMIT `+strconv.Itoa(maxRules), args...)
		err = ledger.Each(rows, err, func(sc func(...any) error) error {
			r := Rule{Said: map[Verdict]int64{}}
			err := sc(&r.Rule, &r.Notices)
			at[r.Rule] = len(list)
			list = append(list, r)
			return err
		})
		if err != nil {
			return err
		}
		rows, err = q.Query(ctx, `SELECT r.rule, f.verdict, COUNT(*) FROM notice_rule r JOIN notice_feedback f ON f.notice = r.notice WHERE r.org IN `+in+` GROUP BY r.rule, f.verdict`, args...)
		return ledger.Each(rows, err, func(sc func(...any) error) error {
			var rule string
			var v Verdict
			var k int64
			if err := sc(&rule, &v, &k); err != nil {
				return err
			}
			if i, ok := at[rule]; ok {
				list[i].Said[v] = k
			}
			return nil
		})
	})
	for i := range list {
		var all int64
		for _, k := range list[i].Said {
			all += k
		}
		if all > 0 {
			list[i].Wrong = float64(list[i].Said[WrongDevice]+list[i].Said[WrongOwner]) / float64(all)
		}
	}
	slices.SortStableFunc(list, func(a, b Rule) int {
		switch {
		case a.Wrong > b.Wrong:
			return -1
		case a.Wrong < b.Wrong:
			return 1
		}
		return 0
	})
	return list, fault.Wrap("notice.rules", err)
}
