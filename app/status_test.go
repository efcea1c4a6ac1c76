package app

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/analyse/ingest"
	"noroshi/bus"
	"noroshi/disk"
	"noroshi/eventstore"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/intel"
	"noroshi/sense/rollcall"
	"noroshi/share/push"
	"noroshi/status"
)

// wellRead are readings of a hub that is well, at a time.
func wellRead(now time.Time) *readings {
	n := nodeReading{Node: identity.Node{ID: "nod_a", Org: "org_a", Name: "a", State: identity.NodeActive, NotAfter: now.Add(1000 * time.Hour)}, reported: true, here: true}
	n.State = rollcall.State{Report: rollcall.Report{OldestMS: 3, BatchMS: 2}}
	return &readings{at: now, bundles: bus.Backlog{Last: 100, Messages: 1, Oldest: now.Add(-time.Second), MaxBytes: 1000, Bytes: 10}, marks: ingest.Marks{Judged: 100},
		nodes: []nodeReading{n}, edges: []push.EdgeState{{State: push.Confirmed}}, disk: disk.State{Spaces: []disk.Space{{Path: "/d", Total: 10, Free: 9}}, Short: disk.Space{Path: "/d"}}}
}

// TestEachTroubleIsFoundAndExplained makes one thing wrong at a time.
func TestEachTroubleIsFoundAndExplained(t *testing.T) {
	h := startHub(t, testConfig(t.TempDir())).h
	now := time.Now()
	for name, c := range map[string]struct {
		hop, part string
		state     status.State
		spoil     func(r *readings)
	}{
		"nothing":             {status.Store, status.KindStore, status.Fine, func(*readings) {}},
		"young backlog":       {status.Judge, "", status.Fine, func(r *readings) { r.bundles.Last, r.unjudged = 101, now.Add(-100*time.Millisecond) }},
		"judge is behind":     {status.Judge, "", status.Slow, func(r *readings) { r.bundles.Last, r.unjudged = 150, now.Add(-5*time.Second) }},
		"judge stands":        {status.Judge, "", status.Stuck, func(r *readings) { r.bundles.Last, r.unjudged = 150, now.Add(-time.Minute) }},
		"store is behind":     {status.Store, "", status.Slow, func(r *readings) { r.bundles.Oldest = now.Add(-20 * time.Second) }},
		"store stands":        {status.Store, "", status.Stuck, func(r *readings) { r.bundles.Oldest = now.Add(-2 * time.Minute) }},
		"store is full":       {"", status.KindStore, status.Stuck, func(r *readings) { r.store = eventstore.Stats{Full: true} }},
		"store is away":       {"", status.KindStore, status.Stuck, func(r *readings) { r.storeErr = errors.New("away") }},
		"bus is away":         {status.Receive, status.KindBus, status.Stuck, func(r *readings) { r.busErr = errors.New("away") }},
		"bus is half full":    {"", status.KindBus, status.Slow, func(r *readings) { r.bundles.Bytes = 600 }},
		"bus is full":         {status.Receive, "", status.Stuck, func(r *readings) { r.bundles.Bytes = 990 }},
		"hub takes slowly":    {status.Receive, "", status.Slow, func(r *readings) { r.nodes[0].BatchMS = 2000 }},
		"brake":               {status.Receive, status.KindDisk, status.Stuck, func(r *readings) { r.disk.Level = disk.Closed }},
		"disk is low":         {"", status.KindDisk, status.Slow, func(r *readings) { r.disk.Level = disk.Low }},
		"disk is silent":      {"", status.KindDisk, status.Stuck, func(r *readings) { r.disk = disk.State{Level: disk.Closed, Err: errors.New("io")} }},
		"decisions wait":      {status.Decide, "", status.Slow, func(r *readings) { r.stages = bus.Backlog{Messages: 3, Oldest: now.Add(-6 * time.Second)} }},
		"ledger is away":      {status.Push, status.KindLedger, status.Stuck, func(r *readings) { r.ledgerErr = errors.New("away") }},
		"ledger is slow":      {"", status.KindLedger, status.Slow, func(r *readings) { r.ledgerTook = 2 * time.Second }},
		"edge is behind":      {status.Acknowledge, "", status.Slow, func(r *readings) { r.edges[0].State, r.behind.Unconfirmed = push.Waiting, now.Add(-10*time.Second) }},
		"edge was just asked": {status.Acknowledge, "", status.Fine, func(r *readings) { r.edges[0].State, r.behind.Unconfirmed = push.Waiting, now.Add(-time.Second) }},
		"edge is away":        {status.Acknowledge, "", status.Fine, func(r *readings) { r.edges[0].State = push.Away }},
		"spool is behind":     {status.Spool, "", status.Slow, func(r *readings) { r.nodes[0].OldestMS = 20_000 }},
		"certificate ends":    {"", status.KindCertificate, status.Slow, func(r *readings) { r.own = []identity.Ending{{Name: "server", NotAfter: now.Add(time.Hour)}} }},
		"hunts are behind":    {"", status.KindLookBack, status.Slow, func(r *readings) { r.hunts = intel.Hunts{Waiting: 1000, Oldest: now.Add(-2 * time.Minute)} }},
	} {
		t.Run(name, func(t *testing.T) {
			r := wellRead(now)
			c.spoil(r)
			st := status.NewBoard().Post(h.describe(r))
			if b, err := json.Marshal(st); err != nil || strings.Contains(string(b), "%!") {
				t.Errorf("the words are wrong: %v %s", err, b)
			}
			for _, x := range st.Hops {
				explained(t, x.Name, x.State, x.Why, x.Do)
				if x.Name == c.hop && x.State != c.state {
					t.Errorf("%s is %s, not %s", x.Name, x.State, c.state)
				}
			}
			for _, x := range st.Parts {
				explained(t, x.Kind, x.State, x.Why, x.Do)
				if x.Kind == c.part && x.State != c.state {
					t.Errorf("%s is %s, not %s", x.Kind, x.State, c.state)
				}
			}
			if st.State < c.state || c.state == status.Fine && st.State != status.Fine {
				t.Errorf("the whole is %s: %s", st.State, st.Why.EN)
			}
		})
	}
}

func explained(t *testing.T, what string, s status.State, why, do status.Text) {
	t.Helper()
	if why.EN == "" || why.JA == "" {
		t.Errorf("%s says nothing", what)
	}
	if s > status.Fine && (do.EN == "" || do.JA == "") {
		t.Errorf("%s is %s and nobody says what to do", what, s)
	}
}

// TestReadingsFollowTheLine: what a node sends is seen to be judged, stored and
// forgotten by the bus.
func TestReadingsFollowTheLine(t *testing.T) {
	h := startHub(t, testConfig(t.TempDir()))
	emit(t, eye(t, h), 50)
	until(t, "everything is durable", func() bool {
		r := h.h.read(t.Context())
		return r.bundles.Last > 0 && r.marks == ingest.Marks{Judged: r.bundles.Last, Stored: r.bundles.Last, Durable: r.bundles.Last} && r.bundles.Messages == 0 && r.unjudged.IsZero()
	})
}

// TestTroubleOfNodesComesFirst: the worst and longest stand at the top.
func TestTroubleOfNodesComesFirst(t *testing.T) {
	now := time.Now()
	node := func(id ident.ID, spoil func(*nodeReading)) nodeReading {
		n := wellRead(now).nodes[0]
		n.Node.ID = id
		n.LastSeen = now
		spoil(&n)
		return n
	}
	nodes := []nodeReading{
		node("nod_well", func(*nodeReading) {}),
		node("nod_slow", func(n *nodeReading) { n.OldestMS = 15_000 }),
		node("nod_away", func(n *nodeReading) { n.here, n.LastSeen = false, now.Add(-time.Hour) }),
		node("nod_ended", func(n *nodeReading) {
			n.NotAfter, n.LastSeen, n.here = now.Add(-time.Hour), now.Add(-2*time.Hour), false
		}),
		node("nod_ends", func(n *nodeReading) { n.NotAfter = now.Add(time.Hour) }),
		node("nod_cut", func(n *nodeReading) { n.Node.State = identity.NodeCut }),
		node("nod_skew", func(n *nodeReading) { n.Skew = -time.Hour }),
	}
	var got []string
	for _, p := range nodeParts(nodes, now) {
		got = append(got, string(p.ID))
		explained(t, p.Name, p.State, p.Why, p.Do)
	}
	if s := strings.Join(got, " "); s != "nod_ended nod_away nod_slow nod_ends nod_skew" {
		t.Errorf("the order is %s", s)
	}
	if c := countNodes(nodes, now); c != (status.Nodes{Active: 4, Away: 2, Cut: 1, Trouble: 5}) {
		t.Errorf("counted %+v", c)
	}
}

// TestMemberSeesItsOwnNodesAndNoMore: a member's operator learns nothing of
// others' traffic, by numbers or words.
func TestMemberSeesItsOwnNodesAndNoMore(t *testing.T) {
	h := startHub(t, testConfig(t.TempDir()))
	emit(t, eye(t, h), 50)
	until(t, "it arrived", func() bool { return h.h.ingest.Stats().Events == 50 })
	auth, err := access.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	see := func(slug string) (access.Scope, status.Status) {
		o, err := h.h.orgs.BySlug(t.Context(), slug)
		if err != nil {
			t.Fatal(err)
		}
		s, err := auth.Scope(access.Principal{ID: "psn_x", Roles: map[ident.ID][]string{o.ID: {access.Operator}}}, h.h.orgs.Current(), access.ViewStatus)
		if err != nil {
			t.Fatal(err)
		}
		return s, h.h.status(t.Context(), s)
	}
	_, other := see("hospital")
	if len(other.Parts) != 0 || other.Nodes != (status.Nodes{}) || other.Whole || other.Hub != "" {
		t.Errorf("the hospital sees %+v", other)
	}
	for _, x := range other.Hops {
		if x.Waiting != nil && *x.Waiting != 0 || x.Bytes != nil && *x.Bytes != 0 || x.PerSecond != nil && *x.PerSecond != 0 {
			t.Errorf("the hospital sees amounts of %s", x.Name)
		}
	}
	_, own := see("ministry")
	if own.Nodes.Away+own.Nodes.Active != 1 {
		t.Errorf("the ministry sees %+v nodes", own.Nodes)
	}
	if _, whole := see("centre"); !whole.Whole || len(whole.Parts) < 7 {
		t.Errorf("the centre sees %d parts", len(whole.Parts))
	}
}
