package api

import (
	"context"
	"net/http"
	"sort"
	"time"

	"noroshi/access"
	"noroshi/eventstore"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/intel"
	"noroshi/label"
	"noroshi/share/push"
)

func (a *API) beacon() {
	register(a, op{"beacon", http.MethodGet, "/beacon", "How fast, who is not protected, what waits", access.ViewBeacon}, a.readBeacon)
}

// SignalHop is one stage of a signal's run.
type SignalHop struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	MS   *float64  `json:"ms"` // from the first; null while it has not happened
}

// Signal is an indicator with its run along the line.
type Signal struct {
	Indicator    indicator.Indicator `json:"indicator"`
	Edges        int                 `json:"edges"`
	Acknowledged int                 `json:"acknowledged"`
	Hops         []SignalHop         `json:"hops"`
}

// TowerOrg is one organisation as a tower.
type TowerOrg struct {
	ID        ident.ID `json:"id"`
	Name      string   `json:"name"`
	NameJA    string   `json:"name_ja"`
	Edges     int      `json:"edges"`
	Confirmed int      `json:"confirmed"`
	State     string   `json:"state"` // lit, partial, dark, none
}

// Tower is a sector.
type Tower struct {
	Sector string     `json:"sector"`
	Orgs   []TowerOrg `json:"orgs"`
}

// BehindEdge is an edge that has not confirmed everything.
type BehindEdge struct {
	Node  ident.ID  `json:"node"`
	Name  string    `json:"name"`
	Org   ident.ID  `json:"org"`
	State string    `json:"state"`
	Since time.Time `json:"since"`
}

// Beacon is the first page.
type Beacon struct {
	AsOf          time.Time `json:"as_of"`
	TimeToProtect struct {
		P50MS *float64 `json:"p50_ms"`
		P99MS *float64 `json:"p99_ms"`
		Count int      `json:"count"`
		Hours int      `json:"window_hours"`
	} `json:"time_to_protect"`
	Edges struct {
		Total     int          `json:"total"`
		Protected int          `json:"protected"`
		Behind    []BehindEdge `json:"behind"`
	} `json:"edges"`
	FalseBlock struct {
		Blocks  int64    `json:"blocks"`
		Revoked int64    `json:"revoked"`
		Rate    *float64 `json:"rate"`
	} `json:"false_block"`
	Held     int64      `json:"held"`
	Signals  []Signal   `json:"signals"`
	Towers   []Tower    `json:"towers"`
	Activity []Activity `json:"activity"`
	Stages   struct {
		Observe struct {
			PerSecond float64 `json:"per_second"`
		} `json:"observe"`
		Analyse struct {
			Open int64 `json:"open"`
		} `json:"analyse"`
		Intel struct {
			Active int64 `json:"active"`
			Held   int64 `json:"held"`
		} `json:"intel"`
		Share struct {
			Waiting int `json:"waiting"`
		} `json:"share"`
		Nodes struct {
			Total int `json:"total"`
			Away  int `json:"away"`
		} `json:"nodes"`
	} `json:"stages"`
}

// Activity is a quarter of an hour.
type Activity struct {
	Start   time.Time `json:"start"`
	Events  int64     `json:"events"`
	Signals int64     `json:"signals"`
}

const signalsShown = 30

func (a *API) readBeacon(ctx context.Context, s access.Scope, in *struct {
	Hours int `query:"hours" minimum:"1" maximum:"168" default:"24"`
}) (*struct{ Body Beacon }, error) {
	var b Beacon
	b.AsOf = a.b.Now().UTC()
	since := b.AsOf.Add(-time.Duration(in.Hours) * time.Hour)
	for _, step := range []func() error{
		func() error { return a.signals(ctx, s, since, &b) },
		func() error { return a.protection(ctx, s, &b) },
		func() error { return a.stages(ctx, s, &b) },
		func() error { return a.activity(ctx, s, since, &b) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	b.TimeToProtect.Hours = in.Hours
	return &struct{ Body Beacon }{b}, nil
}

// signals reads the newest indicators that went out, and how fast the window's
// were enforced.
func (a *API) signals(ctx context.Context, s access.Scope, since time.Time, b *Beacon) error {
	page, err := a.b.Intel.List(ctx, s, intel.Filter{States: []indicator.State{indicator.Active, indicator.Held, indicator.Revoked, indicator.Expired}, Limit: 200})
	if err != nil {
		return err
	}
	var shown []ident.ID
	for i, ind := range page.Items {
		if i < signalsShown || !ind.Created.Before(since) {
			shown = append(shown, ind.ID)
		}
	}
	ways, err := a.b.Push.Ways(ctx, s, shown)
	if err != nil {
		return err
	}
	if err := a.show(ctx, s, pointers(page.Items)...); err != nil {
		return err
	}
	var times []float64
	b.Signals = []Signal{}
	for _, ind := range page.Items[:len(shown)] {
		sig := signalOf(ind, ways[ind.ID])
		if len(b.Signals) < signalsShown {
			b.Signals = append(b.Signals, sig)
		}
		c := sig.Indicator.Clock
		if ind.Created.After(since) && !c.T5Enforced.IsZero() {
			times = append(times, c.T5Enforced.Sub(c.T0Sensed).Seconds()*1000)
		}
	}
	b.TimeToProtect.Count = len(times)
	if len(times) > 0 {
		sort.Float64s(times)
		b.TimeToProtect.P50MS, b.TimeToProtect.P99MS = &times[len(times)/2], &times[(len(times)*99)/100]
	}
	return nil
}

func signalOf(ind indicator.Indicator, way push.Way) Signal {
	ind.Clock = way.Clock(ind.Clock)
	c := ind.Clock
	s := Signal{Indicator: ind, Edges: way.Edges, Acknowledged: way.Confirmed}
	for _, h := range []SignalHop{{Name: "sensed", At: c.T0Sensed}, {Name: "found", At: c.T1Found}, {Name: "decided", At: c.T2Decided}, {Name: "durable", At: c.T3Durable},
		{Name: "received", At: c.T4Received}, {Name: "enforced", At: c.T5Enforced}, {Name: "acknowledged", At: c.T6Acknowledged}} {
		if !h.At.IsZero() && (ind.State != indicator.Held || h.Name == "sensed" || h.Name == "found") {
			ms := h.At.Sub(c.T0Sensed).Seconds() * 1000
			h.MS = &ms
		}
		s.Hops = append(s.Hops, h)
	}
	return s
}

// protection reads who enforces everything and who does not.
func (a *API) protection(ctx context.Context, s access.Scope, b *Beacon) error {
	states, err := a.b.Push.EdgeStates(ctx, s)
	if err != nil {
		return err
	}
	edges := map[ident.ID]TowerOrg{}
	b.Edges.Behind = []BehindEdge{}
	for _, e := range states {
		t := edges[e.Org]
		t.Edges++
		b.Edges.Total++
		if e.State == push.Confirmed {
			t.Confirmed++
			b.Edges.Protected++
		} else {
			b.Edges.Behind = append(b.Edges.Behind, BehindEdge{e.Node, e.Name, e.Org, e.State, e.Since})
		}
		edges[e.Org] = t
	}
	at := map[string]int{}
	b.Towers = []Tower{}
	for _, o := range a.b.Tree().All() {
		if !s.Allows(o.ID) {
			continue
		}
		i, ok := at[o.Sector]
		if !ok {
			i = len(b.Towers)
			at[o.Sector] = i
			b.Towers = append(b.Towers, Tower{Sector: o.Sector})
		}
		t := edges[o.ID]
		t.ID, t.Name, t.NameJA, t.State = o.ID, o.Name, o.NameJA, "lit"
		switch {
		case t.Edges == 0:
			t.State = "none"
		case t.Confirmed == 0:
			t.State = "dark"
		case t.Confirmed < t.Edges:
			t.State = "partial"
		}
		b.Towers[i].Orgs = append(b.Towers[i].Orgs, t)
	}
	b.Stages.Share.Waiting = b.Edges.Total - b.Edges.Protected
	return nil
}

func (a *API) stages(ctx context.Context, s access.Scope, b *Beacon) error {
	open, err := a.b.Findings.Counts(ctx, s, label.Real) // A drill leaves nobody work.
	if err != nil {
		return err
	}
	ind, err := a.b.Intel.Counts(ctx, s, label.Real)
	if err != nil {
		return err
	}
	b.Stages.Analyse.Open = open[finding.New]
	b.Stages.Intel.Active, b.Stages.Intel.Held, b.Held = ind[indicator.Active], ind[indicator.Held], ind[indicator.Held]
	b.FalseBlock.Revoked = ind[indicator.Revoked]
	b.FalseBlock.Blocks = ind[indicator.Active] + ind[indicator.Revoked] + ind[indicator.Expired]
	if b.FalseBlock.Blocks > 0 {
		rate := float64(b.FalseBlock.Revoked) / float64(b.FalseBlock.Blocks)
		b.FalseBlock.Rate = &rate
	}
	nodes, err := a.listNodes(ctx, s)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.State == "cut" {
			continue
		}
		b.Stages.Nodes.Total++
		if n.State == "away" {
			b.Stages.Nodes.Away++
		}
		b.Stages.Observe.PerSecond += n.PerSecond
	}
	return nil
}

const quarter = 15 * time.Minute

func (a *API) activity(ctx context.Context, s access.Scope, since time.Time, b *Beacon) error {
	from := since.Truncate(quarter)
	list, err := a.b.Events.Histogram(ctx, s, eventstore.Query{From: from, To: b.AsOf}, quarter)
	if err != nil {
		return err
	}
	for t := from; t.Before(b.AsOf); t = t.Add(quarter) {
		b.Activity = append(b.Activity, Activity{Start: t})
	}
	add := func(at time.Time, fn func(*Activity)) {
		if i := int(at.Sub(from) / quarter); i >= 0 && i < len(b.Activity) {
			fn(&b.Activity[i])
		}
	}
	for _, x := range list {
		add(x.Start, func(t *Activity) { t.Events += x.Count })
	}
	for _, x := range b.Signals {
		add(x.Indicator.Created, func(t *Activity) { t.Signals++ })
	}
	return nil
}
