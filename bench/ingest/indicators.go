package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"noroshi/ident"
	"noroshi/identity"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/observable"
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
// that is not running: as the stage would have kept them, but for the feeds,
// which no resolver reads here. A decision each would take a disk's time each.
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
	owner := orgs.Current().All()[0].ID
	return db.Write(ctx, "bench", func(tx *ledger.Tx) error {
		for i := range n + probes {
			o := observable.Observable{Kind: observable.Domain, Value: probe(i - n)}
			if i < n {
				o = watched(i)
			}
			if err := put(ctx, tx, active(owner, o)); err != nil {
				return err
			}
		}
		return nil
	})
}

func active(owner ident.ID, o observable.Observable) indicator.Indicator {
	now := time.Now().UTC()
	return indicator.Indicator{ID: ident.System().New(ident.Indicator), Org: owner, Observable: o, State: indicator.Active, Action: indicator.Observe,
		Marking: label.Marking{TLP: label.TLPGreen, PAP: label.PAPGreen, Realm: label.Real}, Confidence: 60, Reason: "Put in by the benchmark.", By: "bench",
		Verdict: indicator.Pass, ValidFrom: now, ValidUntil: now.Add(30 * 24 * time.Hour), Created: now, Modified: now, Version: 1,
		Clock: indicator.Clock{T0Sensed: now, T1Found: now, T2Decided: now}}
}

func put(ctx context.Context, tx *ledger.Tx, ind indicator.Indicator) error {
	_, err := tx.Exec(ctx, `INSERT INTO indicator (id, org, realm, kind, value, state, search, valid_until, created, sightings, version, body) VALUES (?,?,?,?,?,?,?,?,?,0,1,?)`,
		string(ind.ID), string(ind.Org), ind.Realm.String(), string(ind.Observable.Kind), ind.Observable.Value, string(ind.State), ind.Observable.Value,
		ledger.Micros(ind.ValidUntil), ledger.Micros(ind.Created), ledger.JSON(ind))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO indicator_audience (indicator, org) VALUES (?,'*')`, string(ind.ID))
	return err
}
