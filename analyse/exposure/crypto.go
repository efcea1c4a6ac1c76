package exposure

import (
	"context"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/service"
)

// The kinds of cryptography that are kept for the inventory.
const (
	cryptoTLS = "tls"
	cryptoSSH = "ssh"
)

func cryptoKind(p service.Port) string {
	switch {
	case p.TLS != nil:
		return cryptoTLS
	case p.SSH != nil:
		return cryptoSSH
	}
	return ""
}

// Crypto is the cryptography of one open port.
type Crypto struct {
	Org      ident.ID `json:"org"`
	Asset    ident.ID `json:"asset"`
	Address  string   `json:"address"`
	Place    string   `json:"place"`
	Service  string   `json:"service"`
	Kind     string   `json:"kind"` // tls or ssh
	Ready    bool     `json:"post_quantum_ready"`
	Why      string   `json:"why"`
	WhyJA    string   `json:"why_ja"`
	Versions []string `json:"versions,omitempty"`
	Groups   []string `json:"groups,omitempty"` // of TLS, or the key exchanges of SSH
	// Of the certificate.
	Subject   string    `json:"subject,omitempty"`
	Signature string    `json:"signature,omitempty"`
	KeyBits   int       `json:"key_bits,omitempty"`
	NotAfter  time.Time `json:"not_after,omitzero"`
}

// Readiness sums the inventory up.
type Readiness struct {
	Ports    int            `json:"ports"`
	Ready    int            `json:"ready"`
	Kinds    map[string]int `json:"kinds"`
	Versions map[string]int `json:"versions"`
	Groups   map[string]int `json:"groups"`
	Reasons  map[string]int `json:"reasons"` // why those that are not are not
	Keys     map[string]int `json:"keys"`    // certificates by signature and bits of the key
	Ending   int            `json:"certificates_ending"`
}

// maxCryptos bounds what one question reads.
const maxCryptos = 50_000

// soon is within which time a certificate's end is counted.
const soon = 30 * 24 * time.Hour

func of(p service.Port) (c Crypto) {
	c.Place, c.Service, c.Kind = p.Place(), p.Service, cryptoKind(p)
	if t := p.TLS; t != nil {
		c.Versions, c.Groups, c.Ready = t.Versions, t.Groups, t.PostQuantum
		c.Subject, c.Signature, c.KeyBits, c.NotAfter = t.Subject, t.Signature, t.KeyBits, t.NotAfter
		old := true
		for _, v := range t.Versions {
			old = old && v != "TLS 1.3"
		}
		switch {
		case c.Ready:
			c.Why, c.WhyJA = "a post-quantum group is agreed on", "耐量子の鍵交換に対応しています"
		case old:
			c.Why, c.WhyJA = "it has no TLS 1.3, which the new groups need", "新しい鍵交換に必要な TLS 1.3 に対応していません"
		default:
			c.Why, c.WhyJA = "TLS 1.3 has no post-quantum group here", "TLS 1.3 に耐量子の鍵交換が設定されていません"
		}
		return c
	}
	c.Groups, c.Ready = p.SSH.Kex, p.SSH.PostQuantum
	c.Why, c.WhyJA = "no post-quantum key exchange is offered", "耐量子の鍵交換が提示されていません"
	if c.Ready {
		c.Why, c.WhyJA = "a post-quantum key exchange is offered", "耐量子の鍵交換が提示されています"
	}
	return c
}

// Cryptos is the cryptographic inventory of the open ports, summed up and whole.
func (st *Store) Cryptos(ctx context.Context, s access.Scope, org ident.ID) (sum Readiness, list []Crypto, err error) {
	sum = Readiness{Kinds: map[string]int{}, Versions: map[string]int{}, Groups: map[string]int{}, Reasons: map[string]int{}, Keys: map[string]int{}}
	now := st.now()
	err = st.d.DB.Read(ctx, func(q ledger.Queryer) error {
		in, args := ledger.In(s.Orgs())
		where := ` WHERE s.crypto IN ('tls','ssh') AND s.state = 'open' AND s.org IN ` + in
		if org != "" {
			where, args = where+` AND s.org = ?`, append(args, org)
		}
		rows, err := q.Query(ctx, selectServiceOrg+where+` ORDER BY a.address, s.place LIMIT ?`, append(args, maxCryptos)...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var owner ident.ID
			x, err := scanService(func(to ...any) error { return scan(append([]any{&owner}, to...)...) })
			if err != nil {
				return err
			}
			c := of(x.Port)
			c.Org, c.Asset, c.Address = owner, x.Asset, x.Address.String()
			list = append(list, c)
			sum.add(c, now)
			return nil
		})
	})
	return sum, list, fault.Wrap("exposure.cryptos", err)
}

func (r *Readiness) add(c Crypto, now time.Time) {
	r.Ports++
	r.Kinds[c.Kind]++
	if c.Ready {
		r.Ready++
	} else {
		r.Reasons[c.Why]++
	}
	for _, v := range c.Versions {
		r.Versions[v]++
	}
	for _, g := range c.Groups {
		r.Groups[g]++
	}
	if c.Kind == cryptoTLS && c.Signature != "" {
		r.Keys[c.Signature+" "+itoa(c.KeyBits)]++
		if c.NotAfter.Before(now.Add(soon)) {
			r.Ending++
		}
	}
}
