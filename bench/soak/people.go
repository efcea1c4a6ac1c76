package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"noroshi/api"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/share/push"
)

// decided is a block that a person made through the API.
type decided struct {
	name    string
	id      ident.ID
	version int64
	want    indicator.State // what the API confirmed; "" when its answer was lost
}

// people decide and revoke all the time, and remember what they were told.
type people struct {
	s       *storm
	made    []*decided
	waiting []*decided // not confirmed by every resolver
	n       int
}

const (
	wantedBlocks = 60 // at once
	lookAt       = 4  // of what waits, at each turn
)

func (p *people) run(ctx context.Context) {
	for ctx.Err() == nil {
		p.turn(ctx)
		rest(ctx, 150*time.Millisecond)
	}
}

func (p *people) turn(ctx context.Context) {
	active := 0
	for _, d := range p.made {
		if d.want == indicator.Active {
			active++
		}
	}
	if active < wantedBlocks && len(p.waiting) < 2*lookAt {
		p.decide(ctx)
	} else if active > 0 && rand.N(2) == 0 {
		p.revoke(ctx)
	}
	for range min(lookAt, len(p.waiting)) {
		d := p.waiting[0]
		p.waiting = p.waiting[1:]
		if !p.confirmed(ctx, d) {
			p.waiting = append(p.waiting, d)
		}
	}
}

func (p *people) decide(ctx context.Context) {
	p.n++
	d := &decided{name: fmt.Sprintf("b%d.soak%d.noroshi-storm.net", p.n, p.n)}
	var ind indicator.Indicator
	err := p.s.hub.API.Post(ctx, "/api/v1/indicators", map[string]any{"observable": d.name, "action": "block", "tlp": "TLP:GREEN", "pap": "PAP:GREEN",
		"confidence": 90, "valid_hours": 24, "reason": "A storm.", "reason_ja": "嵐"}, &ind)
	if err != nil {
		p.refused("decide", d.name, err)
		return
	}
	if ind.State != indicator.Active {
		p.s.fault("the block of %s became %s: %v", d.name, ind.State, ind.GateReasons)
		return
	}
	d.id, d.version, d.want = ind.ID, ind.Version, indicator.Active
	p.made, p.waiting = append(p.made, d), append(p.waiting, d)
}

// refused notes an answer that a hub which is away cannot explain.
func (p *people) refused(what, name string, err error) {
	switch fault.KindOf(err) {
	case fault.Internal, fault.Unavailable: // It was killed, or is starting.
	default:
		p.s.fault("%s %s: %v", what, name, err)
	}
}

func (p *people) revoke(ctx context.Context) {
	d := p.made[rand.N(len(p.made))]
	if d.want != indicator.Active {
		return
	}
	for _, w := range p.s.walls { // From here on both answers are right.
		w.remove(d.name)
	}
	d.want = ""
	err := p.s.hub.API.Post(ctx, "/api/v1/indicators/"+string(d.id)+"/revoke", map[string]any{"reason": "It is over.", "version": d.version}, nil)
	if err != nil {
		p.refused("revoke", d.name, err)
		return
	}
	d.want = indicator.Revoked
}

// confirmed looks which resolvers have confirmed a block, and puts it on their
// walls. It is done when all have, or when the block is none any more.
func (p *people) confirmed(ctx context.Context, d *decided) bool {
	if d.want != indicator.Active {
		return true
	}
	var detail api.IndicatorDetail
	if err := p.s.hub.API.Get(ctx, "/api/v1/indicators/"+string(d.id), &detail); err != nil {
		p.refused("look at", d.name, err)
		return false
	}
	n := 0
	for _, x := range detail.Deliveries {
		for i, r := range p.s.resolvers {
			if r.ID.Node == x.Node && x.State == push.Confirmed {
				p.s.walls[i].add(d.name)
				n++
			}
		}
	}
	return n == len(p.s.resolvers)
}
