package exposure

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"noroshi/action"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/service"
)

// The states of a service.
const (
	isOpen = "open"
	isGone = "gone"
)

// Service is one port as it was seen last.
type Service struct {
	Asset   ident.ID     `json:"asset"`
	Address netip.Addr   `json:"address"`
	Place   string       `json:"place"`
	State   string       `json:"state"`
	First   time.Time    `json:"first_seen"`
	Last    time.Time    `json:"last_seen"`
	Looked  time.Time    `json:"last_looked"`
	Port    service.Port `json:"seen"`
	running `json:"-"`
}

// Difference is something that became different.
type Difference struct {
	ID      ident.ID   `json:"id"`
	Org     ident.ID   `json:"org"`
	Asset   ident.ID   `json:"asset"`
	Address netip.Addr `json:"address"`
	Place   string     `json:"place"`
	Kind    string     `json:"kind"` // new, changed, gone, returned
	Before  string     `json:"before,omitempty"`
	After   string     `json:"after,omitempty"`
	At      time.Time  `json:"at"`
	Run     ident.ID   `json:"run"`
}

// The kinds of changes.
const (
	isNew    = "new"
	changed  = "changed"
	gone     = "gone"
	returned = "returned"
)

// silences is after how many looks without an answer in a row a service is gone:
// one lost packet is no news.
const silences = 3

// kept is the body of a service's row.
type kept struct {
	Port service.Port `json:"port"`
	running
}

const selectService = `SELECT s.asset, a.address, s.place, s.state, s.first_seen, s.last_seen, s.last_looked, s.body FROM surface_service s JOIN surface_asset a ON a.id = s.asset`

func scanService(scan func(...any) error) (s Service, err error) {
	var address, body string
	var first, last, looked int64
	if err := scan(&s.Asset, &address, &s.Place, &s.State, &first, &last, &looked, &body); err != nil {
		return s, err
	}
	var k kept
	if err := json.Unmarshal([]byte(body), &k); err != nil {
		return s, err
	}
	s.First, s.Last, s.Looked, s.Port, s.running = ledger.Time(first), ledger.Time(last), ledger.Time(looked), k.Port, k.running
	s.Address, err = netip.ParseAddr(address)
	return s, err
}

func serviceAt(ctx context.Context, q ledger.Queryer, org ident.ID, at place) (Service, bool, error) {
	s, err := scanService(q.QueryRow(ctx, selectService+` WHERE a.org = ? AND a.address = ? AND s.place = ?`, org, at.address.String(), at.port).Scan)
	if ledger.NoRows(err) {
		return s, false, nil
	}
	return s, err == nil, err
}

// remember writes down what a run saw, once: a service that carries the run
// already was written before.
func (st *Store) remember(ctx context.Context, tx *ledger.Tx, r *ScanRun, l *look) error {
	w := &writer{st: st, ctx: ctx, tx: tx, run: r, now: ledger.Micros(r.Ended)}
	for _, at := range sorted(l.ports) {
		if err := w.open(at, l.owner[at.address], l.ports[at], l.running[at]); err != nil {
			return err
		}
	}
	if err := w.others(l); err != nil {
		return err
	}
	r.Changes += w.changes
	_, err := edition.Next(ctx, tx)
	return err
}

func sorted[T any](m map[place]T) []place {
	list := make([]place, 0, len(m))
	for at := range m {
		list = append(list, at)
	}
	slices.SortFunc(list, func(a, b place) int { return cmp.Or(a.address.Compare(b.address), strings.Compare(a.port, b.port)) })
	return list
}

// writer writes what one run saw.
type writer struct {
	st      *Store
	ctx     context.Context
	tx      *ledger.Tx
	run     *ScanRun
	now     int64
	changes int
}

// open writes an open port.
func (w *writer) open(at place, org ident.ID, p service.Port, run running) error {
	asset, err := w.asset(org, at.address, p)
	if err != nil {
		return err
	}
	old, there, err := serviceAt(w.ctx, w.tx, org, at)
	if err != nil {
		return err
	}
	if there && p.Service == "" { // It did not say this time; what it said before is all that is known.
		p = old.Port
	}
	body := ledger.JSON(kept{p, run})
	if !there {
		if _, err := w.tx.Exec(w.ctx, `INSERT INTO surface_service (asset, place, org, state, service, first_seen, last_seen, last_looked, run, silent, crypto, body) VALUES (?,?,?,'open',?,?,?,?,?,0,?,?)`,
			asset, at.port, org, p.Service, w.now, w.now, w.now, w.run.ID, cryptoKind(p), body); err != nil {
			return err
		}
		return w.change(Difference{Org: org, Asset: asset, Address: at.address, Place: at.port, Kind: isNew, After: p.Name()})
	}
	if _, err := w.tx.Exec(w.ctx, `UPDATE surface_service SET state = 'open', service = ?, last_seen = ?, last_looked = ?, run = ?, silent = 0, crypto = ?, body = ? WHERE asset = ? AND place = ?`,
		p.Service, w.now, w.now, w.run.ID, cryptoKind(p), body, asset, at.port); err != nil {
		return err
	}
	x := Difference{Org: org, Asset: asset, Address: at.address, Place: at.port, Before: old.Port.Name(), After: p.Name()}
	switch {
	case old.State == isGone:
		x.Kind = returned
	case x.Before != x.After:
		x.Kind = changed
	default:
		return nil
	}
	return w.change(x)
}

// asset finds the host of an address, or makes it.
func (w *writer) asset(org ident.ID, a netip.Addr, p service.Port) (id ident.ID, err error) {
	names := ""
	if p.TLS != nil {
		names = strings.Join(p.TLS.Names, "\n")
	}
	search := strings.ToLower(strings.ReplaceAll(a.String()+"\n"+names, "\x00", ""))
	err = w.tx.QueryRow(w.ctx, `SELECT id FROM surface_asset WHERE org = ? AND address = ?`, org, a.String()).Scan(&id)
	if ledger.NoRows(err) {
		id = w.st.d.Ident.New(ident.Asset)
		_, err = w.tx.Exec(w.ctx, `INSERT INTO surface_asset (id, org, address, first_seen, last_seen, last_looked, search) VALUES (?,?,?,?,?,?,?)`,
			id, org, a.String(), w.now, w.now, w.now, search)
		return id, err
	}
	if err == nil && names == "" {
		_, err = w.tx.Exec(w.ctx, `UPDATE surface_asset SET last_seen = ?, last_looked = ? WHERE id = ?`, w.now, w.now, id)
	} else if err == nil {
		_, err = w.tx.Exec(w.ctx, `UPDATE surface_asset SET last_seen = ?, last_looked = ?, search = ? WHERE id = ?`, w.now, w.now, search, id)
	}
	return id, err
}

// others looks at the services that were open before and are not now: those that
// answered that they are closed are gone, those that were silent some time.
func (w *writer) others(l *look) error {
	looked := l.coverage.Looker()
	for _, x := range l.open {
		at := place{x.Address, x.Place}
		if _, seen := l.ports[at]; seen || x.run == w.run.ID {
			continue
		}
		silent := looked(l.coverage.Checks[0], action.Asset{Key: x.Address.String()}, x.Place) == action.Silent
		if !l.quiet[at] && !silent {
			continue
		}
		state := isOpen
		if x.silent++; l.quiet[at] || x.silent >= silences {
			state = isGone
			if err := w.change(Difference{Org: x.org, Asset: x.Asset, Address: x.Address, Place: x.Place, Kind: gone, Before: x.Port.Name()}); err != nil {
				return err
			}
		}
		if _, err := w.tx.Exec(w.ctx, `UPDATE surface_service SET state = ?, silent = ?, last_looked = ?, run = ? WHERE asset = ? AND place = ?`,
			state, x.silent, w.now, w.run.ID, x.Asset, x.Place); err != nil {
			return err
		}
		if _, err := w.tx.Exec(w.ctx, `UPDATE surface_asset SET last_looked = ? WHERE id = ?`, w.now, x.Asset); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) change(c Difference) error {
	c.ID, c.At, c.Run = w.st.d.Ident.New(ident.Change), ledger.Time(w.now), w.run.ID
	w.changes++
	_, err := w.tx.Exec(w.ctx, `INSERT INTO surface_change (id, org, asset, at, body) VALUES (?,?,?,?,?)`, c.ID, c.Org, c.Asset, w.now, ledger.JSON(c))
	return err
}
