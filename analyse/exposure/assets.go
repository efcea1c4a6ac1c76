package exposure

import (
	"context"
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Host is one that is seen from outside.
type Host struct {
	ID       ident.ID     `json:"id"`
	Org      ident.ID     `json:"org"`
	Address  netip.Addr   `json:"address"`
	First    time.Time    `json:"first_seen"`
	Last     time.Time    `json:"last_seen"`
	Looked   time.Time    `json:"last_looked"`
	Services []Service    `json:"services"`
	Changes  []Difference `json:"changes,omitempty"` // only of one that is asked for
}

const (
	selectAsset      = `SELECT id, org, address, first_seen, last_seen, last_looked FROM surface_asset`
	serviceColumns   = `s.org, s.asset, a.address, s.place, s.state, s.first_seen, s.last_seen, s.last_looked, s.body FROM surface_service s JOIN surface_asset a ON a.id = s.asset`
	selectServiceOrg = `SELECT ` + serviceColumns
)

func scanAsset(scan func(...any) error) (a Host, err error) {
	var address string
	var first, last, looked int64
	if err := scan(&a.ID, &a.Org, &address, &first, &last, &looked); err != nil {
		return a, err
	}
	a.First, a.Last, a.Looked, a.Services = ledger.Time(first), ledger.Time(last), ledger.Time(looked), []Service{}
	a.Address, err = netip.ParseAddr(address)
	return a, err
}

// Assets lists hosts with their services, the last seen first.
func (st *Store) Assets(ctx context.Context, s access.Scope, f Filter) (Page[Host], error) {
	const op = "exposure.assets"
	c := choose(s, f, "last_seen", ident.Asset)
	if err := c.Search(op, "search", f.Text); err != nil {
		return Page[Host]{}, err
	}
	p, err := pageOf(ctx, st.d.DB, c, selectAsset, scanAsset, func(a Host) (time.Time, ident.ID) { return a.Last, a.ID })
	if err != nil {
		return p, fault.Wrap(op, err)
	}
	err = st.d.DB.Read(ctx, func(q ledger.Queryer) error { return services(ctx, q, p.Items) })
	return p, fault.Wrap(op, err)
}

// services fills in what answers on hosts.
func services(ctx context.Context, q ledger.Queryer, list []Host) error {
	at := map[ident.ID]*Host{}
	var ids []ident.ID
	for i := range list {
		at[list[i].ID] = &list[i]
		ids = append(ids, list[i].ID)
	}
	in, args := ledger.In(ids)
	rows, err := q.Query(ctx, selectService+` WHERE s.asset IN `+in+` ORDER BY s.place`, args...)
	return ledger.Each(rows, err, func(scan func(...any) error) error {
		x, err := scanService(scan)
		if err == nil {
			at[x.Asset].Services = append(at[x.Asset].Services, x)
		}
		return err
	})
}

// Asset returns one host with its services and its last changes.
func (st *Store) Asset(ctx context.Context, s access.Scope, id ident.ID) (Host, error) {
	var list []Host
	err := st.d.DB.Read(ctx, func(q ledger.Queryer) error {
		a, err := scanAsset(q.QueryRow(ctx, selectAsset+` WHERE id = ?`, id).Scan)
		if ledger.NoRows(err) || err == nil && !s.Allows(a.Org) {
			return fault.New(fault.NotFound, "exposure.asset", "there is no such host here")
		}
		if err != nil {
			return err
		}
		list = []Host{a}
		rows, err := q.Query(ctx, `SELECT body FROM surface_change WHERE asset = ? ORDER BY at DESC, id DESC LIMIT 200`, id)
		if err := ledger.Each(rows, err, func(scan func(...any) error) error {
			c, err := scanChange(scan)
			list[0].Changes = append(list[0].Changes, c)
			return err
		}); err != nil {
			return err
		}
		return services(ctx, q, list)
	})
	if err != nil {
		return Host{}, fault.Wrap("exposure.asset", err)
	}
	return list[0], nil
}

func scanChange(scan func(...any) error) (c Difference, err error) {
	var body string
	if err := scan(&body); err != nil {
		return c, err
	}
	return c, json.Unmarshal([]byte(body), &c)
}

// Changes lists what became different, the newest first.
func (st *Store) Changes(ctx context.Context, s access.Scope, f Filter) (Page[Difference], error) {
	c := choose(s, f, "at", ident.Change)
	if !f.Since.IsZero() {
		c.And("at >= ?", ledger.Micros(f.Since))
	}
	p, err := pageOf(ctx, st.d.DB, c, `SELECT body FROM surface_change`, scanChange, func(c Difference) (time.Time, ident.ID) { return c.At, c.ID })
	return p, fault.Wrap("exposure.changes", err)
}
