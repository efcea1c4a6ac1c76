package app

import (
	"context"
	"time"

	"noroshi/analyse/attribute"
	"noroshi/content"
	"noroshi/discovery"
	"noroshi/org"
	"noroshi/sense/discover"
)

// Discovered is one asset that a walk from the command line found, weighed.
type Discovered struct {
	discovery.Candidate
	Confidence int                `json:"confidence"`
	Owner      string             `json:"owner"` // own or unknown
	Reasons    []attribute.Reason `json:"evidence"`
}

// Discover walks from what is declared on the command line, without a hub, and
// hands each asset to found.
func Discover(ctx context.Context, s discover.Seeds, o discover.Options, found func(Discovered) error) (discovery.Summary, error) {
	o.Labels = content.Labels()
	w, err := discover.Walk(ctx, s, o)
	if err != nil {
		return discovery.Summary{}, err
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
