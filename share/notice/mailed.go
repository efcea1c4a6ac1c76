package notice

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/sheet"
)

// Waiting lists the real notices of a provider that wait to be sent, in the order in
// which they were made: after one, before a moment, at most so many. What is
// rehearsed is not sent to anybody.
func (n *Notices) Waiting(ctx context.Context, s access.Scope, org ident.ID, after time.Time, id ident.ID, before time.Time, most int) (list []Notice, err error) {
	if !s.Allows(org) {
		return nil, notFound("notice.waiting")
	}
	at := ledger.Micros(after)
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		list, err = query(ctx, q, ` WHERE org = ? AND realm = ? AND state = ? AND (made_at, id) > (?,?) AND made_at <= ? ORDER BY made_at, id LIMIT `+strconv.Itoa(most),
			org, label.Real.String(), string(Made), at, string(id), ledger.Micros(before))
		return err
	})
	return list, fault.Wrap("notice.waiting", err)
}

// Handout is some notices of a provider as it needs them: the table, and the letters
// to owners one after the other, with their links.
func (n *Notices) Handout(ctx context.Context, s access.Scope, org ident.ID, ids []ident.ID) (table, letters []byte, err error) {
	const op = "notice.handout"
	if !s.Allows(org) {
		return nil, nil, notFound(op)
	}
	var b bytes.Buffer
	var text strings.Builder
	w := sheet.New(&b, columns...)
	in, args := ledger.In(ids)
	var list []Notice
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		list, err = query(ctx, q, ` WHERE org = ? AND id IN `+in+` ORDER BY id`, append([]any{string(org)}, args...)...)
		return err
	})
	if err != nil {
		return nil, nil, fault.Wrap(op, err)
	}
	for _, x := range list {
		w.Line(n.line(x)...)
		l := n.letter(x, n.link(x))
		text.WriteString(strings.Repeat("=", 72) + "\n" + l.JA.Text() + "\n" + strings.Repeat("-", 72) + "\n" + l.EN.Text() + "\n")
	}
	err = w.Flush()
	return b.Bytes(), []byte(text.String()), fault.Wrap(op, err)
}

// Mailed marks notices as sent that a provider was mailed, in the transaction that
// notes the mail. What became of one meanwhile stays.
func (n *Notices) Mailed(ctx context.Context, tx *ledger.Tx, ids []ident.ID, note string) error {
	in, args := ledger.In(ids)
	list, err := query(ctx, tx, ` WHERE state = ? AND id IN `+in+` ORDER BY id`, append([]any{string(Made)}, args...)...)
	for i := range list {
		if err != nil {
			return err
		}
		n.become(&list[i], Sent, clip(note, maxNote), tx.Actor())
		err = update(ctx, tx, list[i], string(Sent))
	}
	return err
}
