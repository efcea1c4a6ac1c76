package exposure

import (
	"context"
	"net/netip"

	"noroshi/access"
	"noroshi/discovery"
	"noroshi/fault"
	"noroshi/ledger"
)

// Certificates lists the certificates that the open ports of a scope's
// organisations show, for whoever looks for more names of theirs.
func (st *Store) Certificates(ctx context.Context, s access.Scope) (list []discovery.Seen, err error) {
	in, args := ledger.In(s.Orgs())
	err = st.d.DB.Read(ctx, func(q ledger.Queryer) error {
		list = nil
		rows, err := q.Query(ctx, selectService+` WHERE s.crypto = ? AND s.state = ? AND s.org IN `+in+` ORDER BY a.address, s.place LIMIT ?`,
			append(append([]any{cryptoTLS, isOpen}, args...), maxCryptos)...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			x, err := scanService(scan)
			if err != nil || x.Port.TLS == nil || len(x.Port.TLS.Names) == 0 {
				return err
			}
			list = append(list, discovery.Seen{Names: x.Port.TLS.Names, Organisation: discovery.OrganisationOf(x.Port.TLS.Subject),
				Where: netip.AddrPortFrom(x.Address, x.Port.Port).String(), At: x.Last})
			return nil
		})
	})
	return list, fault.Wrap("exposure.certificates", err)
}
