// Package analyse turns observations into findings: it shows each event to the
// Sigma rules and to the live indicators, merges what fires into one record per
// thing, and keeps these records. The engines are analyse/sigma and
// analyse/match; the look back is analyse/hunt; the ingest loop calls Judge.
// What becomes of a finding, package intel decides.
package analyse

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"

	"noroshi/analyse/match"
	"noroshi/analyse/sigma"
	"noroshi/event"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/observable"
)

// ExerciseTag marks rules whose findings belong to the exercise realm.
const ExerciseTag = "noroshi.exercise"

// Limits of what one event or rule may leave.
const (
	maxObservables = 50
	// maxKeysPerHour bounds how many findings one rule may open on one node in
	// an hour; what goes beyond is counted in one finding more.
	maxKeysPerHour = 200
)

// Deps is what the stage works with.
type Deps struct {
	DB    *ledger.DB
	Rules *sigma.Set
	Match *match.Set
	Now   func() time.Time
	Ident ident.Maker
}

// Analyser judges events and keeps the findings.
type Analyser struct {
	d Deps
	// OnChange is called after findings were made or changed.
	OnChange func(f finding.Finding)

	mu     sync.Mutex
	opened map[string]hourly // rule and node → findings opened in this hour
}

type hourly struct {
	hour int64
	keys map[string]bool
}

// New makes the stage.
func New(d Deps) *Analyser {
	return &Analyser{d: d, OnChange: func(finding.Finding) {}, opened: map[string]hourly{}}
}

// Judge looks at a batch and keeps what fired, in one transaction. It returns
// the findings that are new or show new observables: those that the next stage
// has not decided on.
func (a *Analyser) Judge(ctx context.Context, events []*event.Event) ([]finding.Finding, error) {
	var drafts drafts
	for _, e := range events {
		for _, h := range a.d.Rules.Match(e) {
			a.draftRule(&drafts, e, h)
		}
		for _, h := range a.d.Match.Match(e) {
			drafts.add(e, draftIndicator(e, h), []string{h.Field + ": " + h.Value})
		}
	}
	return a.keep(ctx, "hub:analyse", drafts.list)
}

func (a *Analyser) draftRule(d *drafts, e *event.Event, h sigma.Hit) {
	realm := label.Real
	if h.Rule.HasTag(ExerciseTag) {
		realm = label.Exercise
	}
	node := e.Metadata.Reporter.UID
	seen := observables(e)
	key := a.capped(h.Rule.ID+" "+string(node), discriminator(e, seen), e.Time)
	d.add(e, finding.Finding{Org: e.Metadata.Tenant, Node: node, Device: deviceOf(e), Realm: realm,
		Key: "sigma " + h.Rule.ID + " " + string(node) + " " + key, Source: finding.BySigma,
		Rule: h.Rule.Rule, Title: e.Summary(), Observables: seen}, h.Matched)
}

func draftIndicator(e *event.Event, h match.Hit) finding.Finding {
	f := ofIndicator(*h.Indicator, e.Metadata.Tenant, e.Metadata.Reporter.UID, deviceOf(e))
	f.Title = e.Summary()
	return f
}

// capped bounds the keys that one rule opens on one node in an hour.
func (a *Analyser) capped(owner, key string, at int64) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	hour := at / int64(time.Hour/time.Millisecond)
	h := a.opened[owner]
	if h.keys == nil || h.hour != hour {
		if len(a.opened) > 10_000 {
			a.opened = map[string]hourly{}
		}
		h = hourly{hour, map[string]bool{}}
		a.opened[owner] = h
	}
	if !h.keys[key] && len(h.keys) >= maxKeysPerHour {
		return "and more"
	}
	h.keys[key] = true
	return key
}

// discriminator tells two attacks under one rule on one node apart: for a
// look-up the registered domain (a tunnel asks for thousands of names below
// one), for a connection the program and where it went, for a process the
// program, its parent and the first host it names. Names under .test are told
// apart whole, because every drill has its own.
func discriminator(e *event.Event, seen []observable.Observable) string {
	switch e.ClassUID {
	case event.DNSActivity:
		return registered(e.Query.Hostname)
	case event.NetworkActivity:
		ip := ""
		if e.DstEndpoint != nil {
			ip = e.DstEndpoint.IP
		}
		return imageOf(e) + " " + ip
	}
	host := ""
	for _, o := range seen {
		if o.Kind == observable.Domain || o.Kind == observable.IPv4 || o.Kind == observable.IPv6 {
			host = o.Value
			break
		}
	}
	parent := ""
	if e.Process != nil && e.Process.ParentProcess != nil && e.Process.ParentProcess.File != nil {
		parent = e.Process.ParentProcess.File.Path
	}
	return imageOf(e) + " " + parent + " " + host
}

func registered(name string) string {
	if strings.HasSuffix(name, ".test") {
		return name
	}
	if d, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return d
	}
	return name
}

func imageOf(e *event.Event) string {
	p := e.Process
	if p == nil && e.Actor != nil {
		p = e.Actor.Process
	}
	if p == nil || p.File == nil {
		return ""
	}
	return p.File.Path
}

func deviceOf(e *event.Event) string {
	if e.Device != nil && e.Device.Hostname != "" {
		return e.Device.Hostname
	}
	return e.Metadata.Reporter.Hostname
}

// observables are the things in an event that may become indicators.
func observables(e *event.Event) []observable.Observable {
	var out []observable.Observable
	add := func(s string) {
		if o, err := observable.Parse(s); err == nil {
			out = append(out, o)
		}
	}
	if e.Query != nil {
		add(e.Query.Hostname)
	}
	if e.ClassUID == event.NetworkActivity && e.DstEndpoint != nil && e.ConnectionInfo != nil && e.ConnectionInfo.DirectionID == event.DirectionOutbound {
		add(e.DstEndpoint.IP)
	}
	if e.Process != nil {
		out = append(out, observable.Extract(e.Process.CmdLine, 10)...)
		if e.Process.File != nil {
			for _, h := range e.Process.File.Hashes {
				add(h.Value)
			}
		}
	}
	return out
}
