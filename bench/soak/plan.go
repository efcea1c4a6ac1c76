package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// What a step does.
const (
	killHub      = "kill the hub"
	killEye      = "kill an eye"
	killResolver = "kill a resolver"
	killAll      = "kill everything"
	dark         = "kill a resolver while the hub is gone"
	freezeHub    = "freeze the hub"
	freezeEye    = "freeze an eye"
	freezeEdge   = "freeze a resolver"
)

// step is one blow of the storm: at a moment, something is gone for a while.
type step struct {
	at   time.Duration
	what string
	org  int
	down time.Duration
}

func (s step) String() string {
	return fmt.Sprintf("%7.2fs  %s (organisation %d), for %s", s.at.Seconds(), s.what, s.org, s.down)
}

// plan draws the blows from the seed, and from nothing else.
func plan(seed uint64, length time.Duration, orgs int) []step {
	r := rand.New(rand.NewPCG(seed, 1))
	weighted := []string{killHub, killHub, killHub, killEye, killEye, killResolver, killResolver, killResolver, dark, dark, killAll, freezeHub, freezeEye, freezeEdge}
	var out []step
	for at := time.Second; ; {
		at += time.Duration(r.Int64N(int64(2500 * time.Millisecond))).Round(time.Millisecond)
		if at >= length {
			return out
		}
		s := step{at: at, what: weighted[r.IntN(len(weighted))], org: r.IntN(orgs), down: time.Duration(r.Int64N(int64(1500 * time.Millisecond))).Round(time.Millisecond)}
		if r.IntN(3) == 0 {
			s.down = 0 // Back at once.
		}
		out = append(out, s)
	}
}
