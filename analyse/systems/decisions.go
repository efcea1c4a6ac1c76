package systems

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/analyse/vex"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// The states of a document of decisions.
const (
	InForce   = "in_force"
	Withdrawn = "withdrawn" // it decides nothing any more; what it said is kept
	Replaced  = "replaced"  // by a later one about the same
	Expired   = "expired"   // the moment has passed until which it was to hold
)

// VEX is a document of decisions about the systems of an organisation, and of
// those below it only when it says so.
type VEX struct {
	ID    ident.ID `json:"id"`
	Org   ident.ID `json:"org"`
	State string   `json:"state"`
	// Report is what became of its statements; File is what it was called.
	vex.Report
	SHA256  string    `json:"sha256"`
	Bytes   int       `json:"bytes"`
	At      time.Time `json:"at"`
	Changed time.Time `json:"changed"`
	By      string    `json:"by"`               // who changed it last
	Who     string    `json:"who,omitempty"`    // what that person is called
	Reason  string    `json:"reason,omitempty"` // why it was withdrawn
	Below   bool      `json:"below,omitempty"`  // it holds for the organisations below, too
	Choice  *Chosen   `json:"choice,omitempty"` // the one decision that it is, when a person made it here
	Version int64     `json:"version"`
}

// Bounds of the decisions of an organisation, which are all in memory.
const (
	MaxVEX    = 16 << 20
	maxVEXs   = 500
	maxReason = 2000
)

// Decide hands in a document of decisions, which act from then on on what is
// matched; below says that they do so at the organisations below, too. The document
// that is in force already changes nothing.
func (x *Systems) Decide(ctx context.Context, s access.Scope, org ident.ID, name string, below bool, document []byte) (v VEX, err error) {
	const op = "systems.decide"
	if !s.Allows(org) {
		return v, fault.New(fault.NotFound, op, "there is no organisation %.40q here", string(org))
	}
	if err := x.d.Closed(); err != nil {
		return v, err
	}
	if len(document) > MaxVEX {
		return v, fault.New(fault.TooLarge, op, "a document of decisions has at most %d MiB", MaxVEX>>20)
	}
	if !sound(name, maxName) {
		return v, fault.New(fault.Invalid, op, "the name is longer than %d bytes, or holds what is no text", maxName).At("name")
	}
	var read vex.Decisions
	report, err := read.Read(document)
	if err == nil && report.Statements == 0 {
		err = fault.New(fault.Invalid, op, "it decides nothing: of its statements %d were put aside %s", report.Refused, strings.Join(report.Said, "; "))
	}
	if err != nil {
		return v, x.aside(ctx, org, "decisions (VEX) "+name, document, err)
	}
	report.File = name
	v = VEX{ID: x.d.Ident.New(ident.VEX), Org: org, State: InForce, Report: report, At: x.now(), Who: s.Name(), Below: below}
	err = x.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		there, err := readVEX(ctx, tx, `org = ? AND state = ? AND about = ''`, string(org), InForce)
		if err != nil {
			return err
		}
		for _, old := range there {
			if old.SHA256 == digest(document) && old.Below == below {
				v = old
				return nil
			}
		}
		if len(there) >= maxVEXs {
			return fault.New(fault.Exhausted, op, "an organisation has at most %d documents of decisions in force; withdraw some, or hand several in as one", maxVEXs)
		}
		return addVEX(ctx, tx, &v, document)
	})
	return v, x.after(ctx, op, err)
}

func digest(document []byte) string {
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:])
}

func addVEX(ctx context.Context, tx *ledger.Tx, v *VEX, document []byte) error {
	kept, err := pack(document)
	if err != nil {
		return err
	}
	v.SHA256, v.Bytes, v.Version = digest(document), len(document), 0 // A transaction may be tried again.
	about, until := "", int64(0)
	if c := v.Choice; c != nil {
		about, until = c.Weakness, ledger.Micros(c.Until)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO vex_document (id, org, state, changed, at, version, body, document, about, until) VALUES (?,?,'',0,0,0,'',?,?,?)`, string(v.ID), string(v.Org), kept, about, until); err != nil {
		return err
	}
	return saveVEX(ctx, tx, v, v.At, "decided")
}

// saveVEX writes a record and its line of history, and takes its number.
func saveVEX(ctx context.Context, tx *ledger.Tx, v *VEX, at time.Time, event string) error {
	n, err := edition.Next(ctx, tx)
	if err != nil {
		return err
	}
	was := v.Version
	v.Version, v.Changed, v.By = was+1, at, tx.Actor()
	if err := ledger.Changed(tx.Exec(ctx, `UPDATE vex_document SET state = ?, changed = ?, at = ?, version = ?, body = ? WHERE id = ? AND version = ?`,
		v.State, n, ledger.Micros(at), v.Version, ledger.JSON(v), string(v.ID), was)); err != nil {
		return err
	}
	return tx.Record(ctx, "vex", v.ID, v.Org, event, v)
}

func readVEX(ctx context.Context, q ledger.Queryer, where string, args ...any) ([]VEX, error) {
	list := []VEX{}
	rows, err := q.Query(ctx, `SELECT body FROM vex_document WHERE `+where, args...)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		var body string
		if err := scan(&body); err != nil {
			return err
		}
		var v VEX
		err := json.Unmarshal([]byte(body), &v)
		list = append(list, v)
		return err
	})
	return list, err
}

// VEXPage is one page of documents of decisions.
type VEXPage struct {
	Items []VEX  `json:"items"`
	Next  string `json:"next,omitempty"`
}

// VEXFilter chooses documents of decisions. Empty parts choose all.
type VEXFilter struct {
	Org      ident.ID
	Weakness string // those that a person made here about it
	Cursor   string
	Limit    int
}

// Decided lists documents of decisions, the newest first.
func (x *Systems) Decided(ctx context.Context, s access.Scope, f VEXFilter) (VEXPage, error) {
	orgs := s.Orgs()
	if f.Org != "" {
		orgs = nil
		if s.Allows(f.Org) {
			orgs = []ident.ID{f.Org}
		}
	}
	where, args := ledger.In(orgs)
	where = "org IN " + where
	if f.Weakness != "" {
		where, args = where+" AND about = ?", append(args, f.Weakness)
	}
	if f.Cursor != "" {
		where, args = where+" AND id < ?", append(args, f.Cursor)
	}
	limit := f.Limit
	if limit <= 0 || limit > 500 {
		limit = 100
	}
	var p VEXPage
	err := x.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		p.Items, err = readVEX(ctx, q, where+" ORDER BY id DESC LIMIT "+strconv.Itoa(limit+1), args...)
		return err
	})
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		p.Next = string(p.Items[limit-1].ID)
	}
	return p, fault.Wrap("systems.decided", err)
}

func getVEX(ctx context.Context, q ledger.Queryer, s access.Scope, id ident.ID) (VEX, error) {
	list, err := readVEX(ctx, q, `id = ?`, string(id))
	if err == nil && (len(list) == 0 || !s.Allows(list[0].Org)) {
		err = fault.New(fault.NotFound, "systems.vex", "there is no such document of decisions here")
	}
	if err != nil {
		return VEX{}, err
	}
	return list[0], nil
}

// Decisions returns a document of decisions as it was handed in.
func (x *Systems) Decisions(ctx context.Context, s access.Scope, id ident.ID) (v VEX, document []byte, err error) {
	err = x.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		if v, err = getVEX(ctx, q, s, id); err != nil {
			return err
		}
		var packed []byte
		if err := q.QueryRow(ctx, `SELECT document FROM vex_document WHERE id = ?`, string(id)).Scan(&packed); err != nil {
			return err
		}
		document, err = unpack(packed, MaxVEX, v.SHA256)
		return err
	})
	return v, document, fault.Wrap("systems.decisions", err)
}

// Withdraw takes back a document that was looked at in a version: what it decided
// hits again.
func (x *Systems) Withdraw(ctx context.Context, s access.Scope, id ident.ID, version int64, reason string) (v VEX, err error) {
	const op = "systems.withdraw"
	if reason = strings.TrimSpace(reason); reason == "" || !sound(reason, maxReason) {
		return v, fault.New(fault.Invalid, op, "say why, in at most %d bytes: whoever looks at it later will ask", maxReason).At("reason")
	}
	err = x.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		if v, err = getVEX(ctx, tx, s, id); err != nil {
			return err
		}
		if v.Version != version || v.State != InForce {
			return fault.New(fault.Conflict, op, "somebody withdrew it meanwhile; read it again")
		}
		v.State, v.Reason, v.Who = Withdrawn, reason, s.Name()
		return saveVEX(ctx, tx, &v, x.now(), "withdrawn")
	})
	return v, x.after(ctx, op, err)
}
