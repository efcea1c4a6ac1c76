package app

import (
	"context"
	"sync"
	"time"

	"noroshi/analyse/ingest"
	"noroshi/bus"
	"noroshi/status"
)

// paths are the paths along which this hub judges now, and what those did that
// ended: a hub that takes a partition over, and gives it back, counts on.
type paths struct {
	mu   sync.Mutex
	now  map[*ingest.Ingest]bool
	past ingest.Stats
}

func (p *paths) begin(in *ingest.Ingest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil {
		p.now = map[*ingest.Ingest]bool{}
	}
	p.now[in] = true
}

func (p *paths) end(in *ingest.Ingest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.now, in)
	p.past.Add(in.Stats())
}

func (p *paths) stats() ingest.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.past
	for in := range p.now {
		all.Add(in.Stats())
	}
	return all
}

// markEvery is how far behind a judging reader's mark on the bus may be though it
// has judged everything: it is set when passive DNS is committed.
const markEvery = 10 * time.Second

// readJudged says since when a bundle waits to be judged, and how far the judging
// is. What another hub judges is known by the marks on the bus.
func (h *hub) readJudged(ctx context.Context, r *readings) (err error) {
	if h.ingest != nil {
		r.marks = h.ingest.Marks()
		if r.marks.Judged < r.bundles.Last {
			r.unjudged, err = h.line.TakenAt(ctx, r.marks.Judged+1)
		}
		return err
	}
	since, err := h.line.BehindSince(ctx, bus.ReaderJudge)
	if err != nil {
		return err
	}
	r.marks.Judged = r.bundles.Last
	if age(r.at, since) > markEvery {
		r.unjudged, r.marks.Judged = since, r.bundles.Last-min(r.bundles.Messages, r.bundles.Last)
	}
	return nil
}

// fedParts are the stores of other machines, and who feeds and judges.
func (h *hub) fedParts() []status.Part {
	var out []status.Part
	if h.replicas != nil {
		for _, s := range h.replicas.Health() {
			p := status.Part{Kind: status.KindStore, Name: s.Name, Rows: "/search", State: feedBounds.Judge(s.Behind), LagMS: status.MS(s.Behind), Why: status.Say("It is fed and answers.", "供給され、応答しています。"),
				Facts: []status.Fact{{Name: "latency", Value: s.Latency.Seconds(), Unit: "seconds"}}}
			switch {
			case !s.Up:
				p.State, p.Why = status.Slow, status.Say("It does not answer; readers are served by another, and the bus keeps what it misses.", "応答がありません。閲覧は別のストアが引き受け、不足分はバスに残っています。")
				p.Do = status.Say("Bring it back before the bus is full, or take it out of hub.stores.", "バスが満杯になる前に復旧するか、hub.stores から外してください。")
			case p.State > status.Fine:
				p.Why = status.Say("It is behind and catches up.", "遅れを取り戻しています。")
				p.Do = status.Say("If it does not get nearer, its disk or its processor is too slow.", "差が縮まらない場合は、ディスクか計算能力が不足しています。")
			}
			out = append(out, p)
		}
	}
	if h.work != nil {
		for _, t := range h.work.Holdings() {
			p := status.Part{Kind: status.KindTask, Name: t.Task, Hub: t.Hub, Why: status.Say("A hub does it.", "担当のハブが実行しています。"), Facts: []status.Fact{}}
			if t.Hub == "" {
				p.State, p.Why = status.Slow, status.Say("No hub does it; one takes it within seconds.", "担当のハブがありません。数秒以内に引き継がれます。")
				p.Do = status.Say("If it stays so, see the hubs' logs: the bus may lack a majority.", "続く場合はハブのログを確認してください。バスの過半数が失われている可能性があります。")
			}
			out = append(out, p)
		}
	}
	return out
}

// feedBounds say how far a store may be behind: it is looked at once a second,
// and a cluster of stores holds rows for a while.
var feedBounds = status.Bounds{Slow: 30 * time.Second, Stuck: time.Hour}
