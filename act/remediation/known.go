package remediation

import (
	"context"
	"slices"
	"strings"
	"time"

	"noroshi/action"
	"noroshi/ident"
	"noroshi/ledger"
)

// brief is as much of an action as tells whether a look at it changes more than
// when it was seen. Most of what a survey sees is what it was, and its body is
// neither read nor decoded.
type brief struct {
	id, org     ident.ID
	fingerprint string
	digest      int64
	state       action.State
	owned       bool
	looked      time.Time
}

// stays tells that a weakness that was seen again is what it was. Of the rest the
// judge decides, who sees the whole action.
func (b brief) stays(w seen) bool {
	saw := *w.Weakness
	saw.Org = ""
	return (b.state == action.Open || b.state == action.Excepted) && w.Decision == nil && (b.owned || w.Org == "") && b.digest == digest(saw)
}

func readBriefs(ctx context.Context, q ledger.Queryer, where string, args ...any) (list []brief, err error) {
	rows, err := q.Query(ctx, `SELECT id, org, fingerprint, digest, tab, facet, last_looked FROM action WHERE `+where, args...)
	err = ledger.Each(rows, err, func(sc func(...any) error) error {
		var b brief
		var tab string
		var folded int
		var looked int64
		err := sc(&b.id, &b.org, &b.fingerprint, &b.digest, &tab, &folded, &looked)
		b.state, b.owned, b.looked = action.State(strings.TrimPrefix(tab, "x-")), ownedOf(folded), ledger.Time(looked)
		list = append(list, b)
		return err
	})
	return list, err
}

// known finds the actions that weaknesses of an organisation are: its own, those
// that it found and somebody else was found to own, and those that the survey's
// organisation holds until it knows whose they are.
func (t *taking) known(ctx context.Context, tx *ledger.Tx, s step) (map[string]brief, error) {
	out := map[string]brief{}
	for part := range slices.Chunk(s.seen, 500) {
		in := make([]string, len(part))
		for i, w := range part {
			in[i] = w.fingerprint
		}
		marks, args := ledger.In(in)
		realm := t.v.Realm.String()
		for _, q := range []struct {
			where string
			args  []any
		}{
			{`origin = ? AND origin <> org AND realm = ? AND fingerprint IN `, []any{string(s.org), realm}},
			{`org = ? AND realm = ? AND fingerprint IN `, []any{string(s.org), realm}}, // Its own stand above the others.
		} {
			list, err := readBriefs(ctx, tx, q.where+marks, append(q.args, args...)...)
			if err != nil {
				return nil, err
			}
			for _, b := range list {
				out[b.fingerprint] = b
			}
		}
		if s.org == t.v.Org {
			continue
		}
		held, err := readBriefs(ctx, tx, `org = ? AND realm = ? AND fingerprint IN `+marks, append([]any{string(t.v.Org), realm}, args...)...)
		if err != nil {
			return nil, err
		}
		for _, b := range held {
			if _, ok := out[b.fingerprint]; !ok && !b.owned {
				out[b.fingerprint] = b
			}
		}
	}
	return out, nil
}

// judge takes weaknesses that may change the actions that they are, and returns
// those that stayed what they were.
func (t *taking) judge(ctx context.Context, tx *ledger.Tx, o ident.ID, ids []ident.ID, saw map[ident.ID]seen) (same []ident.ID, err error) {
	for part := range slices.Chunk(ids, 500) {
		marks, args := ledger.In(part)
		list, err := readRows(ctx, tx, `id IN `+marks+` ORDER BY id`, args...)
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			was := a.Org
			event := t.judgeSeen(a, o, saw[a.ID])
			if event == "" {
				same = append(same, a.ID)
				continue
			}
			if err := t.save(ctx, tx, a, was, event); err != nil {
				return nil, err
			}
		}
	}
	return same, nil
}
