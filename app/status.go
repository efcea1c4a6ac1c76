package app

import (
	"context"
	"os"
	"sort"
	"time"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/share/push"
	"noroshi/status"
)

// status says how the hub is: the whole to who sees the centre, and to others
// the state of each hop with what is theirs.
func (h *hub) status(ctx context.Context, s access.Scope) status.Status {
	r := h.read(ctx)
	nodes, edges := r.nodes, r.edges
	whole := s.Allows(h.root())
	st := h.board.Post(h.describe(r))
	if !whole {
		nodes, edges = nil, nil
		for _, n := range r.nodes {
			if s.Allows(n.Node.Org) {
				nodes = append(nodes, n)
			}
		}
		for _, e := range r.edges {
			if s.Allows(e.Org) {
				edges = append(edges, e)
			}
		}
		st = st.ForPart()
		own := map[string]status.Hop{status.Spool: spoolHop(nodes), status.Acknowledge: acknowledgeHop(edges, time.Time{}, r.at)}
		for i, x := range st.Hops {
			if o, ok := own[x.Name]; ok {
				o.Since = x.Since
				st.Hops[i] = o
			}
		}
	}
	st.Parts = append(st.Parts, nodeParts(nodes, r.at)...)
	st.Nodes = countNodes(nodes, r.at)
	return st
}

// root is the centre: the organisation without parent.
func (h *hub) root() ident.ID {
	for _, o := range h.orgs.Current().All() {
		if o.Parent == "" {
			return o.ID
		}
	}
	return ""
}

// describe makes the status of the whole from readings.
func (h *hub) describe(r *readings) status.Status {
	st := status.Status{AsOf: r.at.UTC(), Hub: hubName(), Whole: true}
	st.Hops = []status.Hop{spoolHop(r.nodes), h.receiveHop(r), judgeHop(r), storeHop(r), decideHop(r), pushHop(r), acknowledgeHop(r.edges, r.behind.Unconfirmed, r.at)}
	st.Parts = append(h.hubParts(r), diskParts(r.disk)...)
	return st
}

func hubName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "hub"
	}
	return name
}

// verdict is the status of the whole, for health checks.
func (h *hub) verdict(ctx context.Context) status.Status {
	return h.board.Post(h.describe(h.read(ctx)))
}

// Bounds of the nodes: how long an event may wait on one, how long one may be
// away, and how near the end of a certificate may be.
var (
	spoolBounds = status.Bounds{Slow: 10 * time.Second, Stuck: time.Minute}
	certNear    = 7 * 24 * time.Hour
	skewBound   = 5 * time.Minute
	maxTrouble  = 50 // nodes that are shown
)

func countNodes(nodes []nodeReading, now time.Time) (c status.Nodes) {
	for _, n := range nodes {
		switch {
		case n.Node.State == identity.NodeCut:
			c.Cut++
			continue
		case n.here:
			c.Active++
		default:
			c.Away++
		}
		if state, _, _ := nodeTrouble(n, now); state > status.Fine {
			c.Trouble++
		}
	}
	return c
}

// nodeParts are the nodes with trouble, the worst first.
func nodeParts(nodes []nodeReading, now time.Time) []status.Part {
	var out []status.Part
	for _, n := range nodes {
		if n.Node.State == identity.NodeCut {
			continue
		}
		state, why, do := nodeTrouble(n, now)
		if state == status.Fine {
			continue
		}
		p := status.Part{Kind: status.KindNode, Name: n.Name, ID: n.Node.ID, Org: n.Node.Org, State: state, Why: why, Do: do,
			Since: n.LastSeen, Rows: "/nodes?id=" + string(n.Node.ID), Facts: []status.Fact{}}
		if n.here {
			p.Since = now
			if n.OldestMS > 0 {
				p.LagMS, p.Since = status.MS(n.oldest()), now.Add(-n.oldest())
			}
			p.Facts = append(p.Facts, status.Fact{Name: "spooled", Value: float64(n.Spooled), Unit: "bytes"}, status.Fact{Name: "dropped", Value: float64(n.Dropped), Unit: "count"})
		}
		out = append(out, p)
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].State != out[j].State {
			return out[i].State > out[j].State
		}
		return out[i].Since.Before(out[j].Since)
	})
	return out[:min(len(out), maxTrouble)]
}

// nodeTrouble is what is most wrong with a node.
func nodeTrouble(n nodeReading, now time.Time) (status.State, status.Text, status.Text) {
	left := n.NotAfter.Sub(now)
	switch {
	case left <= 0:
		return status.Stuck, status.Say("Its certificate has ended.", "証明書の期限が切れています。"),
			status.Say("Enrol it again with 'noroshi hub enrol'.", "noroshi hub enrol で登録し直してください。")
	case !n.reported:
		return status.Stuck, status.Say("It has not reported since this hub started.", "このハブの起動後、応答がありません。"),
			status.Say("See whether its machine and its line to the hub work.", "端末とハブまでの回線を確認してください。")
	case !n.here:
		return status.Stuck, status.Say("It does not report.", "応答がありません。"),
			status.Say("See whether its machine and its line to the hub work; it keeps its events meanwhile.", "端末とハブまでの回線を確認してください。その間、記録は端末に残ります。")
	case spoolBounds.Judge(n.oldest()) > status.Fine:
		return spoolBounds.Judge(n.oldest()), status.Say("Its events wait on its disk.", "記録が端末のディスクで待っています。"),
			status.Say("If others flow, its line to the hub is too slow.", "他のノードが流れていれば、ハブまでの回線が細すぎます。")
	case n.dropping:
		return status.Slow, status.Say("It lost events in the last ten minutes; all are counted.", "直近10分に取りこぼした記録があります(件数は記録済み)。"),
			status.Say("Its spool or its sensor's ring is too small (spool.max_mib, sensor.ring_mib), or its disk is short.", "スプールまたはセンサーの容量(spool.max_mib, sensor.ring_mib)か、ディスクが足りません。")
	case n.Skew.Abs() > skewBound:
		return status.Slow, status.Say("Its clock is %.0f minutes off.", "時計が%.0f分ずれています。", n.Skew.Abs().Minutes()),
			status.Say("Set its clock: what it sees stands at the wrong time.", "時計を合わせてください。記録の時刻が誤っています。")
	case left < certNear:
		return status.Slow, status.Say("Its certificate ends in %.0f hours.", "証明書の期限まであと%.0f時間です。", left.Hours()),
			status.Say("It renews by itself while it reaches the hub; else enrol it again.", "ハブに届いていれば自動で更新されます。されない場合は登録し直してください。")
	}
	return status.Fine, status.Text{}, status.Text{}
}

// behindEdges counts edges by how they stand; those behind are there and have not confirmed.
func behindEdges(edges []push.EdgeState) (confirmed, behind, diverged, away int) {
	for _, e := range edges {
		switch e.State {
		case push.Confirmed:
			confirmed++
		case push.Away:
			away++
		case push.Diverged:
			diverged++
			behind++
		default:
			behind++
		}
	}
	return confirmed, behind, diverged, away
}
