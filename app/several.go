package app

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"noroshi/bus"
	"noroshi/config"
	"noroshi/eventstore"
	"noroshi/eventstore/replicas"
	"noroshi/eventstore/vlhttp"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/share/push"
)

// When one machine is outgrown, several hubs share one ledger, one bus and the
// same event stores. This file is what differs: which bus, which stores, and
// which hub does what must be done once.

// name is how people know this hub.
func (h *hub) name() string {
	if h.cfg.Hub.Name != "" {
		return h.cfg.Hub.Name
	}
	return hubName()
}

// instance names this start of a hub, so that what an earlier start did is not
// taken for its own.
func instance(name string) string { return name + "-" + strings.ToLower(rand.Text()[:10]) }

// carrier is the bus that the hub speaks through: built in, joined with other
// hubs', or an external one.
type carrier interface {
	Hub(ctx context.Context, layout bus.Layout) (*bus.Hub, error)
	Disconnect(node ident.ID)
	Addr() string
	Connected(ctx context.Context) (int, error)
	Close()
}

// carrier opens the bus.
func (h *hub) carrier(ctx context.Context) (carrier, error) {
	c, deps := h.cfg.Hub, bus.ServerDeps{Admit: h.admit, Feeds: push.FeedsFor, Log: h.log}
	if len(c.NATS.URLs) > 0 {
		tls, err := h.ca.ClusterTLS(h.hosts())
		if err != nil {
			return nil, err
		}
		h.log.Info("the external bus is asked to answer", "role", "hub", "urls", c.NATS.URLs)
		return bus.Connect(ctx, bus.ExternalConfig{URLs: c.NATS.URLs, Nodes: c.NATS.Nodes, TLS: tls, HubPassword: c.NATS.HubPassword,
			SystemPassword: c.NATS.SystemPassword, CalloutSeed: c.NATS.CalloutSeed}, deps)
	}
	tls, err := h.ca.NodeTLS(h.hosts())
	if err != nil {
		return nil, err
	}
	cfg := bus.ServerConfig{Dir: h.dir("bus"), Listen: c.Bus, TLS: tls, MaxBytes: int64(c.BusMiB) << 20}
	if c.Cluster.Listen != "" {
		host, _, _ := net.SplitHostPort(c.Cluster.Listen) // The configuration was checked.
		cfg.Name, cfg.Cluster = c.Name, &bus.Cluster{Listen: c.Cluster.Listen, Hubs: c.Cluster.Hubs}
		if cfg.Cluster.TLS, err = h.ca.ClusterTLS(append(h.hosts(), host)); err != nil {
			return nil, err
		}
		h.log.Info("the other hubs are waited for", "role", "hub", "hubs", c.Cluster.Hubs)
	}
	return bus.NewServer(cfg, deps)
}

// layout is how observations are kept on the bus.
func layout(c config.Hub) bus.Layout {
	l := bus.Layout{Partitions: c.Parts(), Replicas: 1, MaxBytes: int64(c.BusMiB) << 20, Readers: []string{bus.ReaderHub}}
	if len(c.Stores) > 0 {
		l.Readers = []string{bus.ReaderJudge}
		for _, s := range c.Stores {
			l.Readers = append(l.Readers, bus.ReaderStore(s.Name))
		}
	}
	switch {
	case c.Cluster.Listen != "":
		l.Replicas = min(3, 1+len(c.Cluster.Hubs))
	case len(c.NATS.URLs) > 0:
		l.Replicas = min(3, len(c.NATS.URLs))
	}
	return l
}

// fed is a store that is fed from the bus.
type fed struct {
	name  string
	store *vlhttp.Store
	lag   *lag
}

// remote opens the stores of other machines.
func (h *hub) remote(ctx context.Context) error {
	var members []replicas.Member
	for _, c := range h.cfg.Hub.Stores {
		hold := time.Duration(0)
		if c.Hold != "" {
			var err error
			if hold, err = time.ParseDuration(c.Hold); err != nil {
				return fault.As(fault.Invalid, "app.store", err, "%q is no time, such as 12s (hub.stores, %s)", c.Hold, c.Name)
			}
		}
		s, err := vlhttp.Open(vlhttp.Config{Insert: c.URL, Select: c.Select, Hold: hold, CAFile: c.CAFile, AllowPlainHTTP: c.PlainHTTP, User: c.User,
			Token: vlhttp.Secret{File: c.TokenFile}, Password: vlhttp.Secret{File: c.PasswordFile}, Retention: time.Duration(h.cfg.Hub.RetentionDays) * 24 * time.Hour}, h.log)
		if err != nil {
			return fault.Wrap("app.store "+c.Name, err)
		}
		h.run.cleanup("store "+c.Name, s.Close)
		f := &fed{c.Name, s, &lag{since: time.Now()}}
		h.fed = append(h.fed, f)
		members = append(members, replicas.Member{Name: c.Name, Store: s, Behind: f.lag.get})
	}
	reader, err := replicas.New(members, h.log)
	if err != nil {
		return err
	}
	h.events, h.replicas = reader, reader
	h.run.background("stores", reader.Run)
	h.run.background("lags", h.lags)
	return nil
}

// lag is for how long a store has not had everything.
type lag struct {
	mu    sync.Mutex
	since time.Time // the last moment at which it had all that there was
}

func (l *lag) get() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.since)
}

// lagEvery is how often it is looked how far the stores are.
const lagEvery = time.Second

// lags measures how far each store is behind the bus.
func (h *hub) lags(ctx context.Context) error {
	for ctx.Err() == nil {
		began := time.Now()
		wait(ctx, lagEvery)
		tails, err := h.line.Tails(ctx)
		if err != nil {
			continue // Then nobody reads on either.
		}
		for _, f := range h.fed {
			// What came since the look began is not behind.
			if done, err := h.hasRead(ctx, f, tails); err == nil && done {
				f.lag.mu.Lock()
				f.lag.since = began
				f.lag.mu.Unlock()
			}
		}
	}
	return nil
}

// hasRead tells whether a store durably has everything up to these sequences.
func (h *hub) hasRead(ctx context.Context, f *fed, tails []uint64) (bool, error) {
	for part, tail := range tails {
		mark, err := h.line.Mark(ctx, bus.ReaderStore(f.name), part)
		if err != nil || mark < tail {
			return false, err
		}
	}
	return true, nil
}

// settled waits until everything that any hub judged before now is where readers
// look, and every hub's matcher has what the ledger has: what is judged later is
// judged with it.
func (h *hub) settled(ctx context.Context) error {
	if h.ingest != nil {
		if err := h.ingest.Settled(ctx); err != nil {
			return err
		}
		return h.own.Flush(ctx)
	}
	if h.work != nil {
		if err := h.line.CatchUp(ctx, h.work.Hubs()); err != nil {
			return err
		}
	}
	tails, err := h.line.Tails(ctx)
	for err == nil {
		all := true
		for i, health := range h.replicas.Health() {
			if !health.Up {
				continue // Nobody reads from it.
			}
			done, merr := h.hasRead(ctx, h.fed[i], tails)
			err, all = errors.Join(err, merr), all && done
		}
		if err == nil && all {
			return nil
		}
		wait(ctx, 50*time.Millisecond)
		err = errors.Join(err, ctx.Err())
	}
	return fault.Wrap("app.settled", err)
}

// tasks are what one hub at a time does: it leads, judges a partition, feeds a
// store with a partition.
func (h *hub) tasks() []bus.Task {
	list := []bus.Task{{Name: "lead", Run: h.lead}}
	for part := range h.line.Layout().Partitions {
		list = append(list, bus.Task{Name: bus.TaskName(bus.ReaderJudge, part), Run: func(ctx context.Context, mine func() bool) error {
			return h.along(ctx, mine, bus.ReaderJudge, part, nil)
		}})
		for _, f := range h.fed {
			reader := bus.ReaderStore(f.name)
			list = append(list, bus.Task{Name: bus.TaskName(reader, part), Run: func(ctx context.Context, mine func() bool) error {
				return h.along(ctx, mine, reader, part, f.store)
			}})
		}
	}
	return list
}

// along moves batches along one path, and begins again at its mark where a store
// has lost what it had taken.
func (h *hub) along(ctx context.Context, mine func() bool, reader string, part int, store eventstore.Store) error {
	for {
		in, err := h.path(ctx, reader, part, store, mine)
		if err != nil {
			return err
		}
		if store == nil {
			h.paths.begin(in)
		}
		err = in.Run(ctx)
		if store == nil {
			h.paths.end(in)
		}
		if !errors.Is(err, eventstore.Lost) {
			return err
		}
		h.log.Warn("a store lost rows that it had taken; it is fed again", "role", "hub", "reader", reader, "part", part, "err", err)
	}
}

// lead does what one hub does for all, until ctx ends.
func (h *hub) lead(ctx context.Context, _ func() bool) error {
	found, err := h.line.Stage(ctx, "finding")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer h.line.OnKick("push", h.push.Kick)()
	defer h.line.OnKick("hunt", h.back.look)()
	defer h.line.OnKick("discover", h.discoveries.Kick)()
	defer h.line.OnKick("systems", h.systems.Kick)()
	parts := []func(context.Context) error{h.forget, h.overdue, h.care.Run, h.push.Run, h.intel.Run, h.actions.Run, h.systems.Run, h.exposure.Run, h.mail.Run, h.download, h.back.run, h.discoveries.Run,
		func(ctx context.Context) error { return h.decide(ctx, found) }}
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() {
			defer stop() // One that ends by itself ends the others.
			errs[i] = part(ctx)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// share lets the hubs share the tasks, or does all of them when this hub is alone.
func (h *hub) share() {
	if h.cfg.Hub.Several() {
		h.work = h.line.NewWork(h.here, h.tasks(), h.log)
		h.run.background("work", h.work.Run)
		return
	}
	if h.ingest != nil {
		h.run.background("lead", func(ctx context.Context) error { return h.lead(ctx, nil) })
		h.run.background("ingest", h.ingest.Run)
		return
	}
	for _, t := range h.tasks() {
		h.run.background(t.Name, func(ctx context.Context) error { return t.Run(ctx, nil) })
	}
}

// outbox lets the hub that leads push what another one decided.
type outbox struct {
	*push.Push
	line *bus.Hub
}

func (o outbox) Kick() { o.line.Kick("push") }

// rematch brings indicators that changed into the matcher.
func (h *hub) rematch(ctx context.Context, next func(context.Context) ([]ledger.Change, bool, error)) error {
	for {
		list, more, err := next(ctx)
		if err != nil {
			return err
		}
		seen := map[ident.ID]bool{}
		for _, c := range list {
			if c.Kind != "indicator" || seen[c.ID] {
				continue
			}
			seen[c.ID] = true
			ind, err := h.intel.Read(ctx, c.ID)
			if err != nil && fault.KindOf(err) != fault.NotFound {
				return err
			}
			if err == nil {
				h.match.Put(ind)
			}
		}
		if !more {
			return nil
		}
	}
}

// followEvery is how often it is looked what other hubs did.
const followEvery = 300 * time.Millisecond

// follow keeps what this hub remembers as the ledger has it, which other hubs
// write too: nodes, organisations, and the indicators of the matcher.
func (h *hub) follow(ctx context.Context) error {
	f, err := h.db.Follow(ctx)
	if err != nil {
		return err
	}
	var one sync.Mutex
	look := func(ctx context.Context) error {
		one.Lock()
		defer one.Unlock()
		return errors.Join(h.nodes.Refresh(ctx), h.orgs.Refresh(ctx), h.rematch(ctx, f.Next))
	}
	if err := h.line.OnCatchUp(h.here, look); err != nil {
		return err
	}
	wake := make(chan struct{}, 1)
	stop, err := h.line.Watch(func(string, []byte) { // What another hub announces it has written.
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return err
	}
	defer stop()
	for ctx.Err() == nil {
		if err := look(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("what other hubs did cannot be learned; this hub goes on with what it knows", "role", "hub", "err", err)
		}
		tick := time.NewTimer(followEvery)
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-wake:
			wait(ctx, 10*time.Millisecond) // One look serves a burst.
		}
		tick.Stop()
	}
	return nil
}
