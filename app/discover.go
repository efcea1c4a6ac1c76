package app

import (
	"context"
	"net/netip"
	"time"

	"noroshi/access"
	"noroshi/analyse/attribute"
	"noroshi/analyse/pdns"
	"noroshi/content"
	"noroshi/discovery"
	"noroshi/ident"
	"noroshi/org"
	"noroshi/sense/discover"
)

// Discovered is one asset that a walk from the command line found, weighed.
type Discovered struct {
	discovery.Candidate
	Confidence int                `json:"confidence"`
	Owner      string             `json:"owner"` // own or unknown
	Reasons    []attribute.Ground `json:"evidence"`
}

// Discover walks from what is declared on the command line, without a hub, and
// hands each asset to found.
func Discover(ctx context.Context, s discover.Seeds, o discover.Options, found func(Discovered) error) (discovery.WalkSummary, error) {
	o.Labels = content.Labels()
	w, err := discover.Walk(ctx, s, o)
	if err != nil {
		return discovery.WalkSummary{}, err
	}
	own, now := org.Assets{Prefixes: s.Prefixes}, time.Now().UTC()
	for _, d := range s.Domains {
		own.Domains = append(own.Domains, d.Name)
	}
	for _, c := range w.Candidates {
		list := attribute.Declare(c, own, now)
		x := Discovered{Candidate: c, Confidence: attribute.Confidence(list, now), Owner: "unknown", Reasons: attribute.Explain(list, now)}
		if attribute.Likely(x.Confidence) {
			x.Owner = "own"
		}
		if err := found(x); err != nil {
			return w.Summary, err
		}
	}
	return w.Summary, nil
}

// discovering makes what attributes, and walks, what organisations have.
func (h *hub) discovering() *attribute.Attribution {
	a := attribute.New(attribute.Deps{DB: h.db, Tree: h.orgs.Current, Walk: h.walk, Now: time.Now, Ident: h.deps.Ident, Log: h.log})
	a.OnAsk = func() { h.line.Kick("discover") }
	return a
}

// walk looks for what an organisation has, from what it declared, what resolvers
// of it and of those below it saw, and the certificates that scans met. Without
// a resolver nobody is asked anything.
func (h *hub) walk(ctx context.Context, o org.Organisation) (discovery.Walk, error) {
	d := h.cfg.Hub.Discovery
	servers, err := d.Servers()
	if err != nil {
		return discovery.Walk{}, err
	}
	under := h.under(o.ID)
	s := discover.Seeds{Prefixes: o.Assets.Prefixes, Organisation: []string{o.Name, o.NameJA}, Passive: sightings{h.pdns, under}}
	for _, name := range attribute.Domains(o.Assets) {
		s.Domains = append(s.Domains, discover.Domain{Name: name})
		if d.Resolver != "" {
			s.Domains[len(s.Domains)-1].Transfer = servers[name]
		}
	}
	if s.Certificates, err = h.exposure.Certificates(ctx, under); err != nil {
		return discovery.Walk{}, err
	}
	return discover.Walk(ctx, s, discover.Options{Resolver: d.Resolver, Queries: d.Queries, Rate: float64(d.PerSecond), Labels: content.Labels()})
}

// under is the hub's scope over an organisation and those below it, whose
// records its readers may see.
func (h *hub) under(id ident.ID) access.Scope {
	tree := h.orgs.Current()
	var list []org.Organisation
	for _, x := range tree.Subtree(id) {
		if o, ok := tree.Get(x); ok {
			list = append(list, o)
		}
	}
	return access.Hub(org.NewTree(list), "discover")
}

// sightings is passive DNS as one organisation may see it.
type sightings struct {
	store *pdns.Store
	scope access.Scope
}

func (s sightings) Below(ctx context.Context, domain string) ([]discover.Sighting, error) {
	return told(s.store.Below(ctx, s.scope, domain))
}

func (s sightings) At(ctx context.Context, addr netip.Addr) ([]discover.Sighting, error) {
	return told(s.store.Lookup(ctx, s.scope, addr.String(), pdns.MaxEntries))
}

func told(list []pdns.Entry, err error) ([]discover.Sighting, error) {
	out := make([]discover.Sighting, len(list))
	for i, e := range list {
		out[i] = discover.Sighting{Name: e.Name, Type: e.Type, Data: e.Data, Last: e.Last}
	}
	return out, err
}
