package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/analyse"
	"noroshi/eventstore"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/intel"
	"noroshi/label"
	"noroshi/observable"
)

func (a *API) findings() {
	register(a, op{"findings", http.MethodGet, "/findings", "What was found, the latest first", access.ViewFindings}, a.listFindings)
	register(a, op{"finding", http.MethodGet, "/findings/{id}", "One finding", access.ViewFindings},
		func(ctx context.Context, s access.Scope, in *IDInput) (*struct{ Body finding.Finding }, error) {
			f, err := a.b.Findings.Get(ctx, s, in.ID)
			return &struct{ Body finding.Finding }{f}, err
		})
	register(a, op{"nearby", http.MethodGet, "/findings/{id}/nearby", "What happened on that machine around that time", access.ViewFindings}, a.nearby)
	register(a, op{"triage", http.MethodPost, "/findings/{id}/state", "Decide on a finding", access.TriageFindings}, a.triage)
	register(a, op{"escalate", http.MethodPost, "/findings/{id}/indicator", "Make an indicator of a finding", access.DecideIndicators}, a.escalate)
}

// IDInput names a record.
type IDInput struct {
	ID ident.ID `path:"id" maxLength:"64"`
}

// ListInput chooses a page of a list.
type ListInput struct {
	State  string `query:"state" maxLength:"100" doc:"one or more, separated by commas"`
	Realm  string `query:"realm" enum:"real,exercise"`
	Q      string `query:"q" maxLength:"300"`
	Cursor string `query:"cursor" maxLength:"100"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

func (in ListInput) realm() label.Realm {
	r, _ := label.ParseRealm(in.Realm) // The enumeration is checked; empty means both.
	return r
}

func split[T ~string](s string) []T {
	var out []T
	for _, x := range strings.Split(s, ",") {
		if x != "" {
			out = append(out, T(x))
		}
	}
	return out
}

// Page is one page of a list with the counts of its tabs.
type Page[T any, S comparable] struct {
	Items  []T         `json:"items"`
	Next   string      `json:"next,omitempty"`
	Counts map[S]int64 `json:"counts"`
}

type findingsInput struct {
	ListInput
	Level string   `query:"level" enum:"informational,low,medium,high,critical"`
	Org   ident.ID `query:"org" maxLength:"64"`
}

func (a *API) listFindings(ctx context.Context, s access.Scope, in *findingsInput) (*struct {
	Body Page[finding.Finding, finding.State]
}, error) {
	p, err := a.b.Findings.List(ctx, s, analyse.Filter{States: split[finding.State](in.State), Level: finding.Level(in.Level), Org: in.Org,
		Realm: in.realm(), Text: in.Q, Cursor: in.Cursor, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	counts, err := a.b.Findings.Counts(ctx, s, in.realm())
	if p.Items == nil {
		p.Items = []finding.Finding{}
	}
	return &struct {
		Body Page[finding.Finding, finding.State]
	}{Page[finding.Finding, finding.State]{p.Items, p.Next, counts}}, err
}

// around is how far "nearby" looks to both sides.
const around = 30 * time.Second

func (a *API) nearby(ctx context.Context, s access.Scope, in *IDInput) (*struct {
	Body struct {
		Rows []eventstore.Record `json:"rows"`
	}
}, error) {
	f, err := a.b.Findings.Get(ctx, s, in.ID)
	if err != nil {
		return nil, err
	}
	rows, err := a.b.Events.Search(ctx, s, eventstore.Query{LogsQL: fmt.Sprintf(`node:=%q`, string(f.Node)),
		From: f.FirstSeen.Add(-around), To: f.FirstSeen.Add(around), Limit: 200})
	out := &struct {
		Body struct {
			Rows []eventstore.Record `json:"rows"`
		}
	}{}
	out.Body.Rows = append([]eventstore.Record{}, rows...)
	return out, err
}

type triageInput struct {
	IDInput
	Body struct {
		State   finding.State `json:"state" enum:"new,closed,dismissed"`
		Reason  string        `json:"reason" maxLength:"2000"`
		Version int64         `json:"version"`
	}
}

func (a *API) triage(ctx context.Context, s access.Scope, in *triageInput) (*struct{ Body finding.Finding }, error) {
	f, err := a.b.Findings.SetState(ctx, s, in.ID, in.Body.Version, in.Body.State, in.Body.Reason, "")
	return &struct{ Body finding.Finding }{f}, err
}

// Decision is what a person says about an indicator to be made.
type Decision struct {
	Action     indicator.Action `json:"action" enum:"observe,block,sinkhole"`
	TLP        label.TLP        `json:"tlp" doc:"TLP 2.0"`
	PAP        label.PAP        `json:"pap"`
	Confidence int              `json:"confidence" minimum:"0" maximum:"100"`
	ValidHours float64          `json:"valid_hours" minimum:"0.01" maximum:"8760"`
	Reason     string           `json:"reason" maxLength:"500"`
	ReasonJA   string           `json:"reason_ja,omitempty" maxLength:"1000"`
}

func (d Decision) proposal(realm label.Realm) intel.Proposal {
	return intel.Proposal{Marking: label.Marking{TLP: d.TLP, PAP: d.PAP, Realm: realm}, Action: d.Action, Confidence: d.Confidence,
		Valid: time.Duration(d.ValidHours * float64(time.Hour)), Reason: d.Reason, ReasonJA: d.ReasonJA}
}

type escalateInput struct {
	IDInput
	Body struct {
		Decision
		Observable observable.Observable `json:"observable"`
	}
}

func (a *API) escalate(ctx context.Context, s access.Scope, in *escalateInput) (*struct{ Body indicator.Indicator }, error) {
	f, err := a.b.Findings.Get(ctx, s, in.ID)
	if err != nil {
		return nil, err
	}
	p := in.Body.proposal(f.Realm)
	p.Org, p.Observable, p.Finding, p.Techniques, p.T0, p.T1 = f.Org, in.Body.Observable, f.ID, f.Rule.Techniques, f.FirstSeen, f.FoundAt
	ind, err := a.b.Intel.Decide(ctx, s, p)
	if err != nil {
		return nil, err
	}
	if ind.State == indicator.Refused {
		return &struct{ Body indicator.Indicator }{ind}, nil // The gate's reasons are the answer.
	}
	_, err = a.b.Findings.SetState(ctx, s, f.ID, f.Version, finding.Escalated, in.Body.Reason, ind.ID)
	if fault.KindOf(err) == fault.Conflict {
		err = nil // The indicator is made; the finding says what somebody else said.
	}
	return &struct{ Body indicator.Indicator }{ind}, err
}
