package exposure

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// edition is the number of the last change of what is seen.
const edition ledger.Edition = "exposure.edition"

// Sighting is a host that is seen from outside now.
type Sighting struct {
	Org     ident.ID
	Address netip.Addr
	Names   []string  // of its certificates, in small letters
	Ports   []string  // those that are open, as tcp/443
	At      time.Time // when one of them was seen last
}

// Sightings lists the hosts of all organisations that are seen from outside, with
// the number of the last change; nothing when that is the one that the caller has.
func (st *Store) Sightings(ctx context.Context, have int64) (now int64, list []Sighting, err error) {
	err = st.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		list = nil
		if now, err = edition.Read(ctx, q); err != nil || now == have {
			return err
		}
		at := ident.ID("")
		rows, err := q.Query(ctx, `SELECT a.id, a.org, a.address, a.search, s.place, s.last_seen FROM surface_asset a JOIN surface_service s ON s.asset = a.id WHERE s.state = 'open' ORDER BY a.id, s.place`)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var id, org ident.ID
			var address, search, port string
			var last int64
			err := scan(&id, &org, &address, &search, &port, &last)
			if err == nil && id != at {
				x := Sighting{Org: org, Names: strings.Split(search, "\n")[1:]}
				x.Address, err = netip.ParseAddr(address)
				at, list = id, append(list, x)
			}
			if err != nil {
				return err
			}
			x := &list[len(list)-1]
			x.Ports = append(x.Ports, port)
			if seen := ledger.Time(last); seen.After(x.At) {
				x.At = seen
			}
			return nil
		})
	})
	return now, list, fault.Wrap("exposure.sightings", err)
}
