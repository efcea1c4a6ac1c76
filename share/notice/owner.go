package notice

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Token is the secret of an owner's link: the notice it opens, and a mark that only
// the hub can make. Nothing that opens a page is kept anywhere.
func (n *Notices) Token(id ident.ID) string {
	bare := strings.TrimPrefix(string(id), string(ident.Notice)+"_")
	return bare + "-" + hex.EncodeToString(n.mark(bare))
}

func (n *Notices) mark(bare string) []byte {
	h := hmac.New(sha256.New, n.d.Key)
	_, _ = h.Write([]byte(bare)) // A hash takes everything.
	return h.Sum(nil)[:20]
}

// open reads a token. A wrong one costs no look into the ledger, and how wrong it
// is shows in nothing, not even in time.
func (n *Notices) open(token string) (ident.ID, error) {
	bare, mark, _ := strings.Cut(token, "-")
	id, err := ident.Parse(ident.Notice, string(ident.Notice)+"_"+bare)
	if !hmac.Equal([]byte(mark), []byte(hex.EncodeToString(n.mark(bare)))) || err != nil {
		return "", unknownLink()
	}
	return id, nil
}

func unknownLink() error {
	return fault.New(fault.NotFound, "notice.open", "this link is unknown or has expired; ask your provider for a new notice")
}

// The outcomes of a look that an owner asked for.
const (
	outcomeStill  = "still"  // it is still there
	outcomeGone   = "gone"   // it answers, and is not weak any more
	outcomeSilent = "silent" // no answer: off, or closed
)

// Asked is a look that an owner asked for.
type Asked struct {
	At      time.Time
	Done    time.Time // zero: it waits
	Outcome string    // still, gone, silent
}

// View is what an owner sees: one notice, and nothing of any other.
type View struct {
	Notice Notice
	Letter Letter
	Asked  []Asked // the latest first
	// MayAsk tells whether another look may be asked for now; Why says why not:
	// fixed, infected (it is watched all the time), ended (of the authority), waiting,
	// often.
	MayAsk bool
	Why    string
}

// Bounds of what an owner may ask for.
const (
	maxAsked = 20 // looks in all
	pause    = 10 * time.Minute
)

// View opens an owner's link.
func (n *Notices) View(ctx context.Context, token string) (v View, err error) {
	id, err := n.open(token)
	if err != nil {
		return v, err
	}
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		v, err = n.view(ctx, q, id)
		return err
	})
	return v, fault.Wrap("notice.view", err)
}

func (n *Notices) view(ctx context.Context, q ledger.Queryer, id ident.ID) (v View, err error) {
	v.Notice, err = scan(q.QueryRow(ctx, selected+` WHERE id = ?`, id).Scan)
	if ledger.NoRows(err) || err == nil && !n.now().Before(v.Notice.LinkUntil) {
		return v, unknownLink()
	}
	if err != nil {
		return v, err
	}
	rows, err := q.Query(ctx, `SELECT asked_at, done_at, outcome FROM notice_check WHERE notice = ? ORDER BY asked_at DESC, id DESC`, id)
	err = ledger.Each(rows, err, func(sc func(...any) error) error {
		var a Asked
		var at, done int64
		err := sc(&at, &done, &a.Outcome)
		a.At, a.Done = ledger.Time(at), ledger.Time(done)
		v.Asked = append(v.Asked, a)
		return err
	})
	v.Letter = n.letter(v.Notice, "")
	v.Why = n.whyNot(v)
	v.MayAsk = v.Why == ""
	return v, err
}

func (n *Notices) whyNot(v View) string {
	switch x := v.Notice; {
	case x.State == Fixed:
		return "fixed"
	case x.Group == Infected:
		return "infected"
	case !n.now().Before(x.Until):
		return "ended"
	case len(v.Asked) > 0 && v.Asked[0].Done.IsZero():
		return "waiting"
	case len(v.Asked) >= maxAsked, len(v.Asked) > 0 && n.now().Sub(v.Asked[0].At) < pause:
		return "often"
	}
	return ""
}

// owner is who acts through a link.
const owner = "owner:link"

// Ask queues another look at exactly this address and these ports.
func (n *Notices) Ask(ctx context.Context, token string) error {
	const op = "notice.ask"
	id, err := n.open(token)
	if err != nil {
		return err
	}
	var x Notice
	err = n.d.DB.Write(ctx, owner, func(tx *ledger.Tx) error {
		v, err := n.view(ctx, tx, id)
		if err != nil {
			return err
		}
		if !v.MayAsk {
			return fault.New(fault.Exhausted, op, "another look cannot be asked for now (%s)", v.Why)
		}
		x = v.Notice
		if _, err = tx.Exec(ctx, `INSERT INTO notice_check (id, notice, org, asked_at, done_at, outcome) VALUES (?,?,?,?,0,'')`, n.d.Ident.New(ident.Notice), x.ID, x.Org, ledger.Micros(n.now())); err != nil {
			return err
		}
		return tx.Record(ctx, "notice", x.ID, x.Org, "look asked for", nil)
	})
	if err != nil {
		return fault.Wrap(op, err)
	}
	n.OnChange(x.ID, x.Org)
	return nil
}

// SayAsOwner keeps what an owner says.
func (n *Notices) SayAsOwner(ctx context.Context, token string, v Verdict, words string) error {
	const op = "notice.feedback"
	id, err := n.open(token)
	if err != nil {
		return err
	}
	err = n.d.DB.Write(ctx, owner, func(tx *ledger.Tx) error {
		x, err := n.view(ctx, tx, id)
		if err != nil {
			return err
		}
		return n.say(ctx, tx, x.Notice, ByOwner, v, words)
	})
	return fault.Wrap(op, err)
}

// Look is what a scanner is to look at because an owner asked: these ports of this
// address, and nothing else.
type Look struct {
	Notice  ident.ID    `json:"notice"`
	Org     ident.ID    `json:"org"`
	Realm   label.Realm `json:"realm"`
	Address netip.Addr  `json:"address"`
	Places  []string    `json:"places"`
	AskedAt time.Time   `json:"asked_at"`
	Until   time.Time   `json:"until"` // of the authority, as the survey said it; the scanner's own gate decides
}

// Looks lists those that wait, the oldest first; what may not be looked at any more
// is not among them.
func (n *Notices) Looks(ctx context.Context, s access.Scope) (list []Look, err error) {
	in, args := ledger.In(s.Orgs())
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) error {
		waiting := map[ident.ID]time.Time{}
		var ids []ident.ID
		rows, err := q.Query(ctx, `SELECT notice, asked_at FROM notice_check WHERE done_at = 0 AND org IN `+in+` ORDER BY asked_at, id LIMIT 500`, args...)
		err = ledger.Each(rows, err, func(sc func(...any) error) error {
			var id ident.ID
			var at int64
			err := sc(&id, &at)
			waiting[id] = ledger.Time(at)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return err
		}
		in, args := ledger.In(ids)
		all, err := query(ctx, q, ` WHERE id IN `+in, args...)
		for _, x := range all {
			if n.now().After(x.Until) {
				continue
			}
			l := Look{Notice: x.ID, Org: x.Org, Realm: x.Realm, Address: x.Device.Address, AskedAt: waiting[x.ID], Until: x.Until}
			for _, w := range x.Weak {
				if !slices.Contains(l.Places, w.Place) {
					l.Places = append(l.Places, w.Place)
				}
			}
			list = append(list, l)
		}
		return err
	})
	slices.SortFunc(list, func(a, b Look) int { return a.AskedAt.Compare(b.AskedAt) })
	return list, fault.Wrap("notice.looks", err)
}
