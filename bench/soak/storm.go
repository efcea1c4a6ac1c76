package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"noroshi/bench/kit"
	"noroshi/org"
)

// storm is one run: the processes, the blows, and what must have been kept.
type storm struct {
	dir        string
	orgs, rate int
	plan       []step
	out        io.Writer

	began     time.Time
	hub       *kit.Hub
	eyes      []*eye
	resolvers []*kit.Resolver
	walls     []*wall
	people    *people
	calm      func() // stops the upstream

	mu     sync.Mutex
	faults []string
	report Report
}

func (s *storm) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

func (s *storm) unfiltered(what string) {
	s.fault("a blocked name was answered: %s", what)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.Unfiltered++
}

// run lets the storm pass and looks at what is left. Faults explain the figures.
func (s *storm) run(ctx context.Context, length time.Duration) (Report, []string) {
	defer s.end()
	s.began = time.Now()
	if err := s.raise(ctx); err != nil {
		s.fault("the start: %v", err)
		return s.report, s.faults
	}
	s.began = time.Now()
	work, stop := context.WithCancel(ctx)
	hammers, stopHammers := context.WithCancel(ctx)
	defer stopHammers()
	var beside, hammering sync.WaitGroup
	beside.Go(func() { s.people.run(work) })
	for i, r := range s.resolvers {
		hammering.Go(func() { hammer(hammers, r, s.walls[i], s.unfiltered) })
	}
	err := s.strike(ctx, length)
	stop()
	beside.Wait()
	if err == nil {
		err = s.verify(ctx)
	}
	stopHammers()
	hammering.Wait()
	if err != nil {
		s.fault("%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report, s.faults
}

// raise starts everything: each organisation has an eye and a resolver.
func (s *storm) raise(ctx context.Context) error {
	ports, err := kit.Ports(4 + s.orgs)
	if err != nil {
		return err
	}
	if s.calm, err = kit.Upstream(ports[3]); err != nil {
		return err
	}
	yaml := fmt.Sprintf("  console: %s\n  enrol: %s\n  bus: %s\n  organisations:\n  - {slug: centre, name: Centre, name_ja: 統括, kana: とうかつ, sector: centre}\n", ports[0], ports[1], ports[2])
	for i := range s.orgs {
		yaml += fmt.Sprintf("  - {slug: member%d, name: Member %d, name_ja: 会員, kana: かいいん, sector: health, parent: centre}\n", i, i)
	}
	if s.hub, err = kit.StartHub(ctx, filepath.Join(s.dir, "hub"), yaml); err != nil {
		return err
	}
	all, err := s.hub.Organisations(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.Parent != "" {
			if err := s.member(ctx, o, len(s.eyes), ports[3], ports[4+len(s.eyes)]); err != nil {
				return err
			}
		}
	}
	s.people = &people{s: s}
	return nil
}

func (s *storm) member(ctx context.Context, o org.Organisation, i int, up, addr string) error {
	token, err := s.hub.Token(ctx, o.ID, "resolver")
	if err != nil {
		return err
	}
	r, err := kit.StartResolver(ctx, filepath.Join(s.dir, fmt.Sprintf("resolver%d", i)), token, addr, up)
	if err != nil {
		return err
	}
	s.resolvers, s.walls = append(s.resolvers, r), append(s.walls, newWall())
	if token, err = s.hub.Token(ctx, o.ID, "sensor"); err != nil {
		return err
	}
	e, err := newEye(ctx, filepath.Join(s.dir, fmt.Sprintf("eye%d", i)), token, s.rate)
	s.eyes = append(s.eyes, e)
	return err
}

// end kills what is left.
func (s *storm) end() {
	for _, e := range s.eyes {
		if e != nil {
			_ = e.kill()
		}
	}
	for _, r := range s.resolvers {
		_ = r.Kill()
	}
	if s.hub != nil {
		_ = s.hub.Kill()
	}
	if s.calm != nil {
		s.calm()
	}
}

// strike deals the blows one after the other.
func (s *storm) strike(ctx context.Context, length time.Duration) error {
	for _, x := range s.plan {
		if rest(ctx, time.Until(s.began.Add(x.at))); ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintln(s.out, "soak:", x)
		if err := s.blow(ctx, x); err != nil {
			return fmt.Errorf("%s: %w", x, err)
		}
	}
	rest(ctx, time.Until(s.began.Add(length)))
	return ctx.Err()
}

func (s *storm) blow(ctx context.Context, x step) error {
	e, r := s.eyes[x.org], s.resolvers[x.org]
	down := func() { rest(ctx, x.down) }
	switch x.what {
	case killHub:
		return s.do(s.killing(s.hub.Kill), down, func() error { return s.hub.Start(ctx) })
	case killEye:
		return s.do(s.killing(e.kill), down, e.start)
	case killResolver:
		return s.do(s.killing(r.Kill), down, func() error { return r.Start(ctx) })
	case dark:
		err := s.do(s.killing(s.hub.Kill), func() {}, func() error { return s.do(s.killing(r.Kill), down, func() error { return r.Start(ctx) }) })
		down()
		return errors.Join(err, s.hub.Start(ctx))
	case killAll:
		for _, kill := range []func() error{s.hub.Kill, e.kill, r.Kill} {
			if err := s.killing(kill)(); err != nil {
				return err
			}
		}
		down()
		return errors.Join(r.Launch(), e.start(), s.hub.Start(ctx))
	case freezeHub:
		return s.do(s.hub.Freeze, down, s.hub.Thaw)
	case freezeEye:
		return s.do(e.freeze, down, e.thaw)
	case freezeEdge:
		return s.do(r.Freeze, down, r.Thaw)
	}
	return fmt.Errorf("nobody knows how to %s", x.what)
}

func (s *storm) do(first func() error, wait func(), second func() error) error {
	if err := first(); err != nil {
		return err
	}
	wait()
	return second()
}

func (s *storm) killing(kill func() error) func() error {
	return func() error {
		s.report.Kills++
		return kill()
	}
}
