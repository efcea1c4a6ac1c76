// Package analyse turns observations into findings: it shows each event to the
// Sigma rules and to the live indicators, merges what fires into one record per
// thing, and keeps these records. The engines are analyse/sigma and
// analyse/match; the look back is analyse/hunt; the ingest loop calls Judge.
// What becomes of a finding, package intel decides.
package analyse

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"noroshi/analyse/match"
	"noroshi/analyse/sigma"
	"noroshi/event"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/org"
)

// ExerciseTag marks rules whose findings belong to the exercise realm.
const ExerciseTag = "noroshi.exercise"

// Config bounds the stage.
type Config struct {
	// KeysPerHour is how many findings one rule may open on one node in an hour
	// of event time; what goes beyond is counted in one finding more. 200 when zero.
	KeysPerHour int
}

// Deps is what the stage works with.
type Deps struct {
	DB    *ledger.DB
	Rules *sigma.Set
	Match *match.Set
	// Tree is the organisations as they are now: an indicator makes findings
	// only where its marking lets it be seen.
	Tree  func() *org.Tree
	Now   func() time.Time
	Ident ident.Maker
}

// Analyser judges events and keeps the findings.
type Analyser struct {
	cfg Config
	d   Deps
	// OnChange is called after findings were made or changed. It is set before
	// the first call of another method.
	OnChange func(f finding.Finding)
}

// New makes the stage.
func New(cfg Config, d Deps) (*Analyser, error) {
	if cfg.KeysPerHour == 0 {
		cfg.KeysPerHour = 200
	}
	if cfg.KeysPerHour < 0 {
		return nil, fault.New(fault.Invalid, "analyse.new", "the findings that a rule may open in an hour cannot be %d", cfg.KeysPerHour)
	}
	if d.DB == nil || d.Rules == nil || d.Match == nil || d.Tree == nil || d.Now == nil || d.Ident.Now == nil || d.Ident.Rand == nil {
		return nil, fault.New(fault.Internal, "analyse.new", "a part of the analysis is missing")
	}
	return &Analyser{cfg: cfg, d: d, OnChange: func(finding.Finding) {}}, nil
}

// Judge looks at a batch and keeps what fired, in one transaction. It returns
// the findings that the next stage should look at: those that are new, and
// those that show observables which they did not show before.
//
// An event whose sequence a finding has counted is not counted again, so that a
// batch may be delivered any number of times. The findings of such a batch are
// returned once more, because it is delivered again when something after Judge
// did not happen; the next stage knows a finding by its ID. Events of one node
// must come in the order of their sequences, as the bus keeps them.
func (a *Analyser) Judge(ctx context.Context, events []*event.Event) ([]finding.Finding, error) {
	var hits []hit
	see := a.sight()
	for _, e := range events {
		for _, h := range a.d.Rules.Match(e) {
			hits = append(hits, ruleHit(e, h))
		}
		for _, h := range a.d.Match.Match(e) {
			if see(h.Indicator, e.Metadata.Tenant) {
				hits = append(hits, indicatorHit(e, h))
			}
		}
	}
	if len(hits) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(hits, func(x, y hit) int {
		return cmp.Or(cmp.Compare(x.node(), y.node()), cmp.Compare(x.seq(), y.seq()))
	})
	return a.keep(ctx, hits)
}

// hit is one event under one rule or indicator.
type hit struct {
	event   *event.Event
	draft   finding.Finding // what the finding is, should it be the first
	slot    string          // what bounds the opening of findings; "" for no bound
	matched []string
}

func (h *hit) node() ident.ID { return h.event.Metadata.Reporter.UID }
func (h *hit) seq() uint64    { return h.event.Metadata.Sequence }

func ruleHit(e *event.Event, h sigma.Hit) hit {
	realm := label.Real
	seen := observables(e)
	if h.Rule.HasTag(ExerciseTag) {
		realm, seen = label.Exercise, rehearsed(seen)
	}
	hour := e.Time / time.Hour.Milliseconds()
	f := draftOf(e)
	f.Realm, f.Source, f.Rule, f.Observables = realm, finding.BySigma, h.Rule.Rule, seen
	f.Key = key("sigma", h.Rule.ID, string(f.Node), discriminator(e, seen))
	return hit{event: e, draft: f, slot: key(h.Rule.ID, string(f.Node), strconv.FormatInt(hour, 10)), matched: h.Matched}
}

func indicatorHit(e *event.Event, h match.Hit) hit {
	f := ofIndicator(h.Indicator, e.Metadata.Tenant, e.Metadata.Reporter.UID, deviceOf(e))
	f.Source, f.Title = finding.ByIndicator, clip(e.Summary(), maxTitle)
	return hit{event: e, draft: f, matched: []string{h.Field + ": " + clip(h.Value, maxTitle)}}
}

// sight returns a function that tells whether an organisation may see an
// indicator, which remembers its answers for the time of a batch.
func (a *Analyser) sight() func(*match.Known, ident.ID) bool {
	tree := a.d.Tree()
	known := map[ident.ID]map[ident.ID]bool{}
	return func(ind *match.Known, o ident.ID) bool {
		who, ok := known[ind.ID]
		if !ok {
			who = tree.Audience(ind.Org, ind.TLP, ind.SharedWith)
			known[ind.ID] = who
		}
		return who[o]
	}
}
