// Package intel turns findings into indicators, by a person's word or by a
// policy, always through the safety gate, and keeps them through their life:
// held for a person, active, expired, revoked. Every change and what feeds are to
// show of it are one transaction. Who sees an indicator is decided by its marking
// and is part of every question to the ledger. The gate is intel/gate; package
// share pushes.
package intel

import (
	"context"
	"log/slog"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/observable"
	"noroshi/org"
)

// Gate says whether an indicator may be put to use.
type Gate interface {
	Check(o observable.Observable, m label.Marking, act indicator.Action, tree *org.Tree) (indicator.Verdict, []indicator.Reason)
}

// Outbox takes the changes that edges must get.
type Outbox interface {
	// Enqueue writes them inside the transaction that decides.
	Enqueue(ctx context.Context, tx *ledger.Tx, ind indicator.Indicator, op indicator.Op) error
	// Kick says that the transaction has committed.
	Kick()
}

// Deps is what the stage works with.
type Deps struct {
	DB     *ledger.DB
	Gate   Gate
	Outbox Outbox
	Tree   func() *org.Tree
	Now    func() time.Time
	Ident  ident.Maker
	Log    *slog.Logger
}

// Intel keeps the indicators.
type Intel struct {
	d        Deps
	policies []Policy
	// OnChange is called after an indicator was made or changed.
	OnChange func(ind indicator.Indicator)
}

// New makes the stage.
func New(d Deps, policies []Policy) *Intel {
	return &Intel{d: d, policies: policies, OnChange: func(indicator.Indicator) {}}
}

// Proposal is what a person or a policy wants to become an indicator.
type Proposal struct {
	Org        ident.ID // who owns it
	Observable observable.Observable
	Marking    label.Marking
	SharedWith []ident.ID
	Action     indicator.Action
	Confidence int
	Valid      time.Duration
	Reason     string
	ReasonJA   string
	Techniques []string
	Finding    ident.ID
	Policy     string // "" for a person
	Hold       bool   // the policy wants a person to look, whatever the gate says
	T0, T1     time.Time
}

// Bounds of a proposal.
const (
	MaxValid  = 365 * 24 * time.Hour
	maxReason = 500
)

func (p *Proposal) check() error {
	const op = "intel.decide"
	switch {
	case p.Action != indicator.Observe && p.Action != indicator.Block && p.Action != indicator.Sinkhole:
		return fault.New(fault.Invalid, op, "%q is not an action (observe, block, sinkhole)", p.Action)
	case p.Confidence < 0 || p.Confidence > 100:
		return fault.New(fault.Invalid, op, "the confidence is a number from 0 to 100, not %d", p.Confidence)
	case p.Valid <= 0 || p.Valid > MaxValid:
		return fault.New(fault.Invalid, op, "an indicator is valid for a moment up to a year, not %s", p.Valid)
	case p.Reason == "":
		return fault.New(fault.Invalid, op, "say why: the one who is blocked will read it")
	case len(p.Reason) > maxReason || len(p.ReasonJA) > 2*maxReason:
		return fault.New(fault.TooLarge, op, "the reason is longer than %d bytes", maxReason)
	}
	o, err := observable.Parse(p.Observable.Value)
	if err != nil {
		return err
	}
	if p.Observable.Kind != "" && p.Observable.Kind != o.Kind {
		return fault.New(fault.Invalid, op, "%s is a %s, not a %s", o.Value, o.Kind, p.Observable.Kind)
	}
	p.Observable = o
	return nil
}

// Decide makes an indicator of a proposal. The gate says whether it is active at
// once, waits for a person, or is refused; each is kept with the reasons. What
// is active already for the same thing is not made twice: it stays valid for the
// longer of both times, with the higher confidence.
func (in *Intel) Decide(ctx context.Context, s access.Scope, p Proposal) (indicator.Indicator, error) {
	const op = "intel.decide"
	if err := p.check(); err != nil {
		return indicator.Indicator{}, err
	}
	if !s.Allows(p.Org) {
		return indicator.Indicator{}, fault.New(fault.NotFound, op, "there is no such organisation here")
	}
	verdict, reasons := in.d.Gate.Check(p.Observable, p.Marking, p.Action, in.d.Tree())
	if p.Hold && verdict == indicator.Pass {
		verdict = indicator.Hold
		reasons = append(reasons, indicator.Reason{Check: "policy", Verdict: indicator.Hold, Text: "the policy “" + p.Policy + "” leaves it to a person", TextJA: "方針「" + p.Policy + "」により人の判断を待ちます"})
	}
	now := in.d.Now().UTC()
	var ind indicator.Indicator
	changed := true
	err := in.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		old, found, err := same(ctx, tx, p)
		if err != nil {
			return err
		}
		if found {
			ind = old
			changed = extend(&ind, p, now)
			if !changed {
				return nil
			}
			return in.save(ctx, tx, &ind, "extended")
		}
		if ind, found, err = lifted(ctx, tx, p, now); err != nil || found {
			changed = false
			return err
		}
		ind = in.fresh(p, s.Actor(), verdict, reasons, now)
		return in.insert(ctx, tx, &ind)
	})
	if err != nil {
		return ind, fault.Wrap(op, err)
	}
	if changed {
		in.announce(ind)
	}
	return ind, nil
}

func (in *Intel) fresh(p Proposal, actor string, v indicator.Verdict, reasons []indicator.Reason, now time.Time) indicator.Indicator {
	state := map[indicator.Verdict]indicator.State{indicator.Pass: indicator.Active, indicator.Hold: indicator.Held, indicator.Refuse: indicator.Refused}[v]
	by := actor
	if p.Policy != "" {
		by = "policy:" + p.Policy
	}
	ind := indicator.Indicator{ID: in.d.Ident.New(ident.Indicator), Org: p.Org, Observable: p.Observable, Marking: p.Marking, SharedWith: p.SharedWith,
		State: state, Action: p.Action, Confidence: p.Confidence, Reason: p.Reason, ReasonJA: p.ReasonJA, Techniques: p.Techniques,
		Finding: p.Finding, Policy: p.Policy, By: by, Verdict: v, GateReasons: reasons, ValidFrom: now, ValidUntil: now.Add(p.Valid),
		Created: now, Modified: now, Clock: indicator.Clock{T0Sensed: p.T0, T1Found: p.T1, T2Decided: now}}
	if ind.Clock.T0Sensed.IsZero() { // A person knew it: the run begins here.
		ind.Clock.T0Sensed, ind.Clock.T1Found = now, now
	}
	return ind
}

// extend merges a proposal into an indicator of the same thing.
func extend(ind *indicator.Indicator, p Proposal, now time.Time) bool {
	until := now.Add(p.Valid)
	// A few minutes more are not worth a push to every edge.
	longer := until.After(ind.ValidUntil.Add(p.Valid / 10))
	if longer {
		ind.ValidUntil = until
	}
	surer := p.Confidence > ind.Confidence
	if surer {
		ind.Confidence = p.Confidence
	}
	ind.Modified = now
	return longer || surer
}

func (in *Intel) announce(ind indicator.Indicator) {
	in.d.Outbox.Kick()
	in.OnChange(ind)
}

// Consider asks the policies about a finding and decides what they propose.
func (in *Intel) Consider(ctx context.Context, s access.Scope, f finding.Finding) ([]indicator.Indicator, error) {
	var out []indicator.Indicator
	for _, pol := range in.policies {
		for _, p := range pol.propose(f) {
			ind, err := in.Decide(ctx, s, p)
			if k := fault.KindOf(err); err != nil && (k == fault.Invalid || k == fault.NotFound) {
				in.d.Log.Warn("a policy's proposal was refused", "role", "hub", "policy", pol.Name, "org", f.Org, "finding", f.ID, "why", fault.PublicOf(err))
				continue
			}
			if err != nil {
				return out, err
			}
			out = append(out, ind)
		}
	}
	return out, nil
}
