package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/indicator"
	"noroshi/intel"
	"noroshi/intel/gate"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/observable"
	"noroshi/share/push"
)

// watched is the n-th thing that the hub looks for: mostly names, as public
// lists have them.
func watched(n int) observable.Observable {
	switch {
	case n%20 < 11:
		return observable.Observable{Kind: observable.Domain, Value: fmt.Sprintf("c2-%d.bad%d.com", n, n%997)}
	case n%20 < 15:
		return observable.Observable{Kind: observable.IPv4, Value: fmt.Sprintf("45.%d.%d.%d", n>>16&255, n>>8&255, n&255)}
	case n%20 < 16:
		return observable.Observable{Kind: observable.CIDR, Value: fmt.Sprintf("46.%d.%d.0/24", n>>8&255, n&255)}
	case n%20 < 18:
		return observable.Observable{Kind: observable.URL, Value: fmt.Sprintf("http://www.bad%d.net/%x/drop.bin", n%997, n)}
	}
	return observable.Observable{Kind: observable.SHA256, Value: fmt.Sprintf("%064x", n+1)}
}

// probe is a name of which exactly one event will be sent, so that its way
// through the hub can be followed.
func probe(n int) string { return fmt.Sprintf("p%d.lag-probe.com", n) }

// watch writes n indicators, and those of the probes, into the ledger of a hub
// that is not running, by the way that every indicator goes: gate, record, feed.
func watch(ctx context.Context, dir string, n, probes int) error {
	db, err := ledger.Open(ctx, "sqlite:"+filepath.Join(dir, "ledger.db"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	orgs, err := identity.OpenOrganisations(ctx, identity.Deps{DB: db, Now: time.Now, Ident: ident.System()})
	if err != nil {
		return err
	}
	g, err := gate.New(gate.Config{})
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	in := intel.New(intel.Deps{DB: db, Gate: g, Outbox: push.New(push.Deps{DB: db, Tree: orgs.Current, Now: time.Now, Log: log}),
		Tree: orgs.Current, Now: time.Now, Ident: ident.System(), Log: log}, nil)
	tree := orgs.Current()
	s := access.Hub(tree, "bench")
	for i := range n + probes {
		o := observable.Observable{Kind: observable.Domain, Value: probe(i - n)}
		if i < n {
			o = watched(i)
		}
		ind, err := in.Decide(ctx, s, intel.Proposal{Org: s.Orgs()[0], Observable: o, Action: indicator.Observe, Confidence: 60, Valid: 30 * 24 * time.Hour,
			Marking: label.Marking{TLP: label.TLPGreen, PAP: label.PAPGreen, Realm: label.Real}, Reason: "Put in by the benchmark."})
		if err != nil {
			return err
		}
		if ind.State != indicator.Active {
			return fmt.Errorf("the gate says %s of %s: %v", ind.State, o.Value, ind.GateReasons)
		}
	}
	return nil
}
