// Package discovery is the vocabulary of looking for what an organisation has
// on the Internet: what is found (an asset), what speaks for whose it is
// (evidence), and what is handed in. It keeps nothing and judges nothing:
// sense/discover walks, analyse/attribute weighs and remembers.
package discovery

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"noroshi/observable"
)

// Kind is what a piece of evidence is.
type Kind string

// The kinds. Declared, Registrable and Shared are computed, never handed in by
// a walk: only an organisation's own declaration makes anything certain.
const (
	Declared    Kind = "declared"    // at or below a declared domain, or in a declared prefix
	Registrable Kind = "registrable" // under the same registrable domain as a declared one

	Answer       Kind = "answer"        // the name itself has records
	Transfer     Kind = "transfer"      // it stands in a zone that was transferred by leave
	ServedByOwn  Kind = "served_by_own" // its zone is served by an own name server
	NameServer   Kind = "name_server"   // an own name is served by it
	MailServer   Kind = "mail_server"   // an own name's mail goes there
	SPF          Kind = "spf"           // an own name's SPF record names it
	SPFAddress   Kind = "spf_address"   // an own name's SPF record lets it send
	SPFBroken    Kind = "spf_broken"    // the SPF record breaks the rules
	DMARC        Kind = "dmarc"         // an own name's DMARC reports go there
	Text         Kind = "text"          // a TXT record of an own name mentions it
	AliasTarget  Kind = "alias_target"  // an own name is an alias of it
	AddressOf    Kind = "address_of"    // an own name leads to it
	AliasAddress Kind = "alias_address" // an own name leads to it by a stranger's name
	PTR          Kind = "ptr"           // its reverse name is an own name, which leads back
	PTRAlone     Kind = "ptr_alone"     // its reverse name is an own name, which does not lead back
	PTRForeign   Kind = "ptr_foreign"   // its reverse name is a stranger's
	PTRTarget    Kind = "ptr_target"    // the reverse name of an own address
	Permutation  Kind = "permutation"   // it was guessed, and answered

	PassiveName    Kind = "passive_name"    // own resolvers saw the name answered
	PassiveAddress Kind = "passive_address" // own resolvers saw an own name lead to it
	CertificateOrg Kind = "certificate_org" // in a certificate with the organisation's name and an own domain
	Certificate    Kind = "certificate"     // in a certificate with an own domain
	Shared         Kind = "shared"          // names of strangers lead there, too
)

// Evidence is one thing that was seen: what was asked of whom, what came back,
// and when.
type Evidence struct {
	Kind  Kind      `json:"kind"`
	Via   string    `json:"via,omitempty"`   // the own name, prefix or certificate that led to it
	Asked string    `json:"asked,omitempty"` // type and name: "MX example.jp"
	From  string    `json:"from,omitempty"`  // the resolver, "passive DNS", or where a certificate was seen
	Said  string    `json:"said,omitempty"`  // what came back, or how much of it fits
	At    time.Time `json:"at"`
}

// Limits of what is kept of one asset.
const (
	MaxEvidence = 32
	MaxSaid     = 512
)

// Candidate is an asset with what was found about it. ThirdParty tells a name
// outside of the organisation's registrable domains: it is recorded, and not
// looked into.
type Candidate struct {
	Asset      observable.Observable `json:"asset"` // a domain, an address or a range
	ThirdParty bool                  `json:"third_party,omitempty"`
	Evidence   []Evidence            `json:"evidence"`
}

// Note adds evidence: a fact is kept once, as it was seen last.
func (c *Candidate) Note(e Evidence) {
	e.Said, e.Via, e.From = clip(e.Said), clip(e.Via), clip(e.From)
	i := slices.IndexFunc(c.Evidence, func(x Evidence) bool { return x.Kind == e.Kind && x.Via == e.Via && x.Asked == e.Asked })
	switch {
	case i >= 0 && !e.At.Before(c.Evidence[i].At):
		c.Evidence[i] = e
	case i < 0 && (len(c.Evidence) < MaxEvidence || !c.Has(e.Kind) && len(c.Evidence) < 2*MaxEvidence):
		c.Evidence = append(c.Evidence, e)
	}
}

// Has tells whether there is evidence of a kind.
func (c *Candidate) Has(k Kind) bool {
	return slices.ContainsFunc(c.Evidence, func(e Evidence) bool { return e.Kind == k })
}

// Walk is what one walk found, and how it went.
type Walk struct {
	Candidates []Candidate `json:"-"`
	Summary    WalkSummary `json:"summary"`
}

// WalkSummary says how a walk went.
type WalkSummary struct {
	Ended   string         `json:"ended"` // done, or the limit that ended it
	Found   int            `json:"found"`
	Queries int            `json:"queries"`
	Failed  map[string]int `json:"failed,omitempty"` // questions without an answer, by reason
	Notes   []string       `json:"notes,omitempty"`  // what was not believed or not followed
}

// Seen is a certificate that somebody saw: the names in it, the organisation
// that its subject names, and where it was.
type Seen struct {
	Names        []string  `json:"names"`
	Organisation string    `json:"organisation,omitempty"`
	Where        string    `json:"where"`
	At           time.Time `json:"at"`
}

// RegistrableDomain is the domain that somebody registered and the name belongs
// to; "" for what nobody can register.
func RegistrableDomain(name string) string {
	d, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return ""
	}
	return d
}

// Within tells whether a name is a domain or below it.
func Within(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}

// Closest is the longest of the domains that a name is in, and the narrowest of
// the prefixes that an address or a range lies in; "" when it is in none.
func Closest(asset observable.Observable, domains []string, prefixes []netip.Prefix) string {
	best, bits := "", -1
	if asset.Kind == observable.Domain {
		for _, d := range domains {
			if Within(asset.Value, d) && len(d) > len(best) {
				best = d
			}
		}
		return best
	}
	p, err := netip.ParsePrefix(asset.Value)
	if err != nil {
		a, err := netip.ParseAddr(asset.Value)
		if err != nil {
			return ""
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	for _, d := range prefixes {
		if d.Contains(p.Addr()) && d.Bits() <= p.Bits() && d.Bits() > bits {
			best, bits = d.String(), d.Bits()
		}
	}
	return best
}

// clip makes a text of the other side one that may be kept and shown.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	if len(s) <= MaxSaid {
		return s
	}
	cut := MaxSaid
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
