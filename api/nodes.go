package api

import (
	"context"
	"net/http"
	"sort"
	"time"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/ledger/quarantine"
)

func (a *API) nodes() {
	register(a, op{"nodes", http.MethodGet, "/nodes", "The nodes and how they are", access.ViewNodes},
		func(ctx context.Context, s access.Scope, _ *struct{}) (*struct{ Body Items[Node] }, error) {
			list, err := a.listNodes(ctx, s)
			return items(list), err
		})
	register(a, op{"cut", http.MethodPost, "/nodes/{id}/cut", "Cut a node off, at once", access.CutNodes},
		func(ctx context.Context, s access.Scope, in *struct {
			IDInput
			Body struct {
				Reason string `json:"reason" maxLength:"1000"`
			}
		}) (*struct{}, error) {
			return nil, a.b.Nodes.Cut(ctx, s, in.ID, in.Body.Reason)
		})
	register(a, op{"enrol", http.MethodPost, "/enrol", "Make a token with which one node joins", access.EnrolNodes}, a.enrol)
	register(a, op{"certificates", http.MethodGet, "/certificates", "When the hub's own certificates end", access.ViewNodes},
		func(context.Context, access.Scope, *struct{}) (*struct{ Body Items[identity.Ending] }, error) {
			return items(a.b.Certificates()), nil
		})
	register(a, op{"tokens", http.MethodGet, "/tokens", "The newest tokens, and what became of them", access.EnrolNodes},
		func(ctx context.Context, s access.Scope, _ *struct{}) (*struct{ Body Items[identity.EnrolToken] }, error) {
			list, err := a.b.Nodes.Tokens(ctx, s, 200)
			return items(list), err
		})
	register(a, op{"revoke-token", http.MethodPost, "/tokens/{id}/revoke", "End a token that waits to be used", access.EnrolNodes},
		func(ctx context.Context, s access.Scope, in *IDInput) (*struct{}, error) {
			return nil, a.b.Nodes.RevokeToken(ctx, s, in.ID)
		})
}

// Node is a node with its newest report.
type Node struct {
	ID          ident.ID  `json:"id"`
	Org         ident.ID  `json:"org"`
	Name        string    `json:"name"`
	Role        string    `json:"role"`
	State       string    `json:"state"` // active, away, cut
	Tier        string    `json:"tier"`
	Version     string    `json:"version"`
	Addr        string    `json:"addr"`
	LastSeen    time.Time `json:"last_seen"`
	LagMS       int64     `json:"lag_ms"` // age of the oldest event that waits on the node
	ClockSkewMS int64     `json:"clock_skew_ms"`
	Events      uint64    `json:"events"`
	PerSecond   float64   `json:"events_per_second"`
	Dropped     uint64    `json:"dropped"`
	Quarantined uint64    `json:"quarantined"`
	Spooled     int64     `json:"spooled"`
	Queries     uint64    `json:"queries"`
	Blocked     uint64    `json:"blocked"`
	Malformed   uint64    `json:"malformed"`
	Limits      []string  `json:"limits"`
	NotAfter    time.Time `json:"not_after"` // its certificate ends
	Overdue     bool      `json:"certificate_overdue"`
	Enrolled    time.Time `json:"enrolled"`
	CutWhy      string    `json:"cut_why,omitempty"`
}

func (a *API) listNodes(ctx context.Context, s access.Scope) ([]Node, error) {
	list, err := a.b.Nodes.List(ctx, s)
	if err != nil {
		return nil, err
	}
	out := make([]Node, 0, len(list))
	for _, n := range list {
		x := Node{ID: n.ID, Org: n.Org, Name: n.Name, Role: n.Role, State: "away", NotAfter: n.NotAfter, Overdue: n.Overdue(a.b.Now()), Enrolled: n.Enrolled, CutWhy: n.CutWhy, Limits: []string{}}
		if r, ok := a.b.Roll.Get(n.ID); ok {
			x.Tier, x.Version, x.Addr, x.LastSeen, x.LagMS = r.Tier, r.Version, r.Addr, r.LastSeen, r.OldestMS
			x.ClockSkewMS, x.Events, x.PerSecond, x.Dropped, x.Spooled = r.Skew.Milliseconds(), r.Events, r.PerSecond, r.Dropped, r.Spooled
			x.Queries, x.Blocked, x.Malformed, x.Quarantined = r.Queries, r.Blocked, r.Malformed, r.Quarantined
			x.Limits = append(x.Limits, r.Limits...)
		}
		switch {
		case n.State == identity.NodeCut:
			x.State = "cut"
		case a.b.Roll.Here(n.ID):
			x.State = "active"
		}
		out = append(out, x)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out, nil
}

// Enrolment is a token, ready to be pasted.
type Enrolment struct {
	Token   string    `json:"token"`
	Command string    `json:"command"`
	Expires time.Time `json:"expires"`
}

func (a *API) enrol(ctx context.Context, s access.Scope, in *struct {
	Body struct {
		Org  ident.ID `json:"org" maxLength:"64"`
		Role string   `json:"role" enum:"sensor,resolver"`
	}
}) (*struct{ Body Enrolment }, error) {
	token, expires, err := a.b.Nodes.NewToken(ctx, s, in.Body.Org, in.Body.Role, time.Hour)
	return &struct{ Body Enrolment }{Enrolment{token, "noroshi " + in.Body.Role + " --join " + token, expires}}, err
}

func (a *API) quarantine() {
	type body struct {
		Total int64                    `json:"total"`
		Items []quarantine.Quarantined `json:"items"`
	}
	register(a, op{"quarantine", http.MethodGet, "/quarantine", "What could not be used, and why", access.ViewQuarantine},
		func(ctx context.Context, s access.Scope, _ *struct{}) (*struct{ Body body }, error) {
			list, total, err := a.b.Quarantine.List(ctx, s, 200)
			return &struct{ Body body }{body{total, append([]quarantine.Quarantined{}, list...)}}, err
		})
}
