package app

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/analyse"
	"noroshi/analyse/attribute"
	"noroshi/analyse/exposure"
	"noroshi/analyse/hunt"
	"noroshi/analyse/ingest"
	"noroshi/analyse/match"
	"noroshi/analyse/pdns"
	"noroshi/analyse/sigma"
	"noroshi/analyse/systems"
	"noroshi/api"
	"noroshi/backup"
	"noroshi/bus"
	"noroshi/care"
	"noroshi/config"
	"noroshi/content"
	"noroshi/disk"
	"noroshi/eventstore"
	"noroshi/eventstore/replicas"
	"noroshi/eventstore/victorialogs"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/indicator"
	"noroshi/intel"
	"noroshi/intel/gate"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/quarantine"
	"noroshi/oplog"
	"noroshi/sense/intake"
	"noroshi/sense/rollcall"
	"noroshi/share/mail"
	"noroshi/share/notice"
	"noroshi/share/push"
	"noroshi/status"
)

// hub is the hub's parts, in the order in which data flows.
type hub struct {
	cfg  config.Config
	log  *slog.Logger
	deps identity.Deps

	db         *ledger.DB
	orgs       *identity.Organisations
	ca         *identity.CA
	nodes      *identity.Nodes
	admitting  atomic.Pointer[identity.Nodes] // nil until the bus may admit
	people     *identity.People
	admin      access.Principal
	here       string // this start of this hub, among several
	server     carrier
	line       *bus.Hub
	roll       *rollcall.Roll
	own        eventstore.Store // built in; nil when the stores are of other machines
	snapshots  backup.Snapshots // of it, for a backup
	fed        []*fed
	replicas   *replicas.Reader
	events     eventstore.Reader
	quarantine *quarantine.Store
	aside      *aside
	pdns       *pdns.Store
	match      *match.Set
	findings   *analyse.Analyser
	receiver   *bus.Receiver
	work       *bus.Work      // nil when this hub is alone
	ingest     *ingest.Ingest // the one path of a hub with a store of its own; else nil
	paths      paths
	intel      *intel.Intel
	back       *lookBack
	push       *push.Push
	exposure   *exposure.Store
	access     *access.Authorizer
	care       *care.Care
	actions    *remediation.Remediation
	notices    *notice.Notices
	mail       *mail.Mail
	systems    *systems.Systems
	api        *api.API
	brake      *disk.Brake
	seen       *observed
	gauge      gauge
	board      *status.Board
	started    time.Time

	discoveries *attribute.Attribution

	copying                             sync.Mutex // held by the one backup that is under way
	enrolAddr, consoleAddr, metricsAddr string
	run                                 runner
}

// wireHub builds the hub in one straight line: what is made first is stopped
// last.
func wireHub(ctx context.Context, cfg config.Config, log *slog.Logger) (*hub, error) {
	h := &hub{cfg: cfg, log: log.With(oplog.Role, "hub"), here: instance(cfg.Hub.Name), started: time.Now(), roll: rollcall.New(time.Now), match: match.New(), run: newRunner(), seen: newObserved(), board: status.NewBoard()}
	for _, step := range []func(context.Context) error{h.space, h.records, h.identities, h.transport, h.store, h.analysis, h.intelligence, h.remediation, h.surface, h.bills, h.notify, h.post, h.faces, h.flow, h.telemetry} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, h.run.stop())
		}
	}
	return h, nil
}

func (h *hub) dir(name string) string { return filepath.Join(h.cfg.DataDir, name) }

// records opens the ledger and the organisations.
func (h *hub) records(ctx context.Context) (err error) {
	if h.db, err = ledger.Open(ctx, ledgerURL(h.cfg), copyFirst(h.cfg, h.log)); err != nil {
		return err
	}
	h.db.OnWrite = h.seen.onWrite
	h.run.cleanup("ledger", h.db.Close)
	h.deps = identity.Deps{DB: h.db, Now: time.Now, Ident: ident.System()}
	h.quarantine = quarantine.New(h.db, time.Now, h.deps.Ident)
	h.aside = newAside(h.quarantine.Put, h.seen, h.log)
	if h.orgs, err = identity.OpenOrganisations(ctx, h.deps); err != nil {
		return err
	}
	for try := 0; ; try++ {
		err := seed(ctx, h.orgs, h.cfg.Hub.Organisations, h.log)
		if err == nil || !h.cfg.Hub.Several() || try == 5 {
			return err
		}
		wait(ctx, 200*time.Millisecond) // Another hub starts with the same list at the same moment.
	}
}

// identities opens the authority and the people.
func (h *hub) identities(ctx context.Context) (err error) {
	if h.ca, err = identity.OpenCA(h.dir("identity"), time.Now); err != nil {
		return err
	}
	var root ident.ID
	for _, o := range h.orgs.Current().All() {
		if o.Parent == "" {
			root = o.ID
		}
	}
	h.people = identity.NewPeople(h.deps)
	h.admin, err = h.people.Administrator(ctx, root)
	return err
}

// hosts are the names that the hub's certificates stand for.
func (h *hub) hosts() []string {
	if h.cfg.Hub.Advertise == "" {
		return nil
	}
	return []string{h.cfg.Hub.Advertise}
}

// transport opens the ports of nodes and joins the hub to its bus.
func (h *hub) transport(ctx context.Context) error {
	l, err := net.Listen("tcp", h.cfg.Hub.Enrol)
	if err != nil {
		return fault.As(fault.Unavailable, "app.enrol", err, "nodes cannot join: %s is taken or not allowed (hub.enrol)", h.cfg.Hub.Enrol)
	}
	h.run.cleanup("enrolment port", func() error { return ignoreClosed(l.Close()) })
	h.enrolAddr = h.advertised(l.Addr().String())
	if h.server, err = h.carrier(ctx); err != nil {
		return err
	}
	h.run.cleanup("bus", func() error { h.server.Close(); return nil })
	if h.line, err = h.server.Hub(ctx, layout(h.cfg.Hub)); err != nil {
		return err
	}
	h.run.cleanup("line", func() error { h.line.Close(); return nil })
	nodes, err := identity.OpenNodes(ctx, h.deps, h.ca, identity.Hub{Enrol: h.enrolAddr, Bus: h.busAddr(), Feeds: push.FeedsFor, Life: h.cfg.Hub.NodeLife()})
	if err != nil {
		return err
	}
	nodes.OnCut = func(id ident.ID) {
		h.server.Disconnect(id)
		h.announceNodes("node", []ident.ID{id})
		h.roll.Forget(id)
	}
	nodes.OnRetire = h.server.Disconnect
	h.admitting.Store(nodes)
	h.nodes = nodes
	h.push = push.New(push.Deps{DB: h.db, Wire: h.line, Key: h.ca.FeedKey(), Tree: h.orgs.Current, Edges: h.edges, Now: time.Now, Log: h.log})
	h.push.OnHop = h.seen.onHop
	h.push.OnAck = func(nodes []ident.ID) { h.announceNodes("signal", nodes) }
	return errors.Join(h.enrolment(l), h.listen())
}

// enrolment lets nodes join.
func (h *hub) enrolment(l net.Listener) error {
	cfg, err := h.ca.EnrolTLS(h.hosts())
	if err != nil {
		return err
	}
	s := server(identity.EnrolHandler(h.nodes, h.log))
	s.TLSConfig, s.ErrorLog = cfg, h.nodes.HandshakeLog(h.log)
	h.run.serve("enrolment", s, func() error { return s.ServeTLS(l, "", "") })
	return nil
}

// listen takes what nodes say beside their events.
func (h *hub) listen() error {
	refused := func(from bus.Node, place string, data []byte, err error) {
		h.aside.put(quarantine.Quarantined{Org: from.Org, Node: from.ID, Place: place, Reason: fault.PublicOf(err), Sample: string(data[:min(len(data), intake.MaxSample)])})
	}
	return errors.Join(
		h.line.OnSync(func(ctx context.Context, from bus.Node, req []byte) ([]byte, error) {
			return h.push.HandleSync(ctx, from.Org, req)
		}),
		h.line.OnAck(func(from bus.Node, data []byte) {
			if err := h.push.HandleAck(from.Org, from.ID, data); err != nil {
				refused(from, "acknowledgement", data, err)
			}
		}),
		h.line.OnStatus(func(from bus.Node, data []byte) {
			if err := h.roll.Take(from, data); err != nil {
				refused(from, "status", data, err)
				return
			}
			h.announce("node", from.ID, h.visible(from.Org))
		}))
}

// advertised is an address as nodes reach it.
func (h *hub) advertised(addr string) string {
	if h.cfg.Hub.Advertise == "" {
		return addr
	}
	_, port, _ := net.SplitHostPort(addr)
	return net.JoinHostPort(h.cfg.Hub.Advertise, port)
}

// busAddr is the bus as nodes reach it.
func (h *hub) busAddr() string {
	if len(h.cfg.Hub.NATS.URLs) > 0 {
		return h.server.Addr() // The configuration says it.
	}
	return h.advertised(h.server.Addr())
}

func (h *hub) admit(cert *x509.Certificate) (bus.Node, time.Time, error) {
	nodes := h.admitting.Load()
	if nodes == nil {
		return bus.Node{}, time.Time{}, fault.New(fault.Unavailable, "app.admit", "the hub is still starting")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	n, err := nodes.Admit(ctx, cert)
	return bus.Node{Org: n.Org, ID: n.ID, Name: n.Name}, n.NotAfter, err
}

// edges are the nodes that enforce: resolvers that were not cut off.
func (h *hub) edges() []push.Edge {
	list, err := h.nodes.List(context.Background(), access.Hub(h.orgs.Current(), "push"))
	if err != nil {
		h.log.Error("the nodes cannot be read", "role", "hub", "err", err)
	}
	var out []push.Edge
	for _, n := range list {
		if n.Role == identity.Resolver && n.State == identity.NodeActive {
			out = append(out, push.Edge{Node: n.ID, Org: n.Org, Name: n.Name, Joined: n.Enrolled, Here: h.roll.Here(n.ID)})
		}
	}
	return out
}

func (h *hub) store(ctx context.Context) error {
	h.pdns = pdns.New(h.db)
	if len(h.cfg.Hub.Stores) > 0 {
		return h.remote(ctx)
	}
	s, err := victorialogs.Open(victorialogs.Config{Dir: h.dir("events"), MemoryMiB: h.cfg.Hub.EventsMiB, Retention: time.Duration(h.cfg.Hub.RetentionDays) * 24 * time.Hour}, h.log)
	if err != nil {
		return err
	}
	timed := timedStore{s, h.seen}
	h.own, h.events, h.snapshots = timed, timed, s
	h.run.cleanup("events", s.Close)
	return nil
}

// analysis loads the rules and makes the stage that judges.
func (h *hub) analysis(ctx context.Context) error {
	rules := &sigma.Set{}
	names := append([]string{"content"}, h.cfg.Hub.Rules...)
	for i, dir := range append([]fs.FS{content.Rules()}, folders(h.cfg.Hub.Rules)...) {
		refused, err := rules.LoadFS(dir)
		if err != nil {
			return fault.As(fault.KindOf(err), "app.rules", err, "the rules of %s cannot be read (hub.rules)", names[i])
		}
		for _, r := range refused {
			level := slog.LevelWarn
			if fault.KindOf(r.Err) == fault.NotFound {
				level = slog.LevelDebug // A rule about something else is no fault.
			}
			h.log.Log(ctx, level, "a rule is not at work", "role", "hub", "folder", names[i], "why", fault.PublicOf(r.Err))
		}
	}
	h.log.Info("rules at work", "role", "hub", "rules", rules.Len())
	var err error
	h.findings, err = analyse.New(analyse.Config{}, analyse.Deps{DB: h.db, Rules: rules, Match: h.match, Tree: h.orgs.Current, Now: time.Now, Ident: h.deps.Ident})
	if err != nil {
		return err
	}
	h.discoveries = h.discovering()
	h.findings.OnChange = func(f finding.Finding) { h.announce("finding", f.ID, h.visible(f.Org)) }
	return nil
}

// visible lists who may know of an organisation's records: itself and those
// above it.
func (h *hub) visible(o ident.ID) []ident.ID {
	return append([]ident.ID{o}, h.orgs.Current().Ancestors(o)...)
}

func folders(dirs []string) []fs.FS {
	var out []fs.FS
	for _, d := range dirs {
		out = append(out, os.DirFS(d))
	}
	return out
}

// intelligence makes the gate and the stage that decides.
func (h *hub) intelligence(ctx context.Context) error {
	gc := gate.Config{Lists: folders(h.cfg.Hub.WarningLists)}
	if h.cfg.Hub.Popular != "" {
		f, err := os.Open(h.cfg.Hub.Popular)
		if err != nil {
			return fault.As(fault.NotFound, "app.gate", err, "the popular names %s cannot be read (hub.popular_names)", h.cfg.Hub.Popular)
		}
		defer func() { _ = f.Close() }()
		gc.Popular = f
	}
	g, err := gate.New(gc)
	if err != nil {
		return err
	}
	policies, err := intel.Policies(folders(h.cfg.Hub.Policies)...)
	if err != nil {
		return err
	}
	h.intel = intel.New(intel.Deps{DB: h.db, Gate: g, Outbox: outbox{h.push, h.line}, Tree: h.orgs.Current, Now: time.Now, Ident: h.deps.Ident, Log: h.log}, policies)
	if err := h.intel.EachActive(ctx, h.match.Put); err != nil {
		return err
	}
	h.back = &lookBack{db: h.db, intel: h.intel, findings: h.findings, hunter: hunt.New(h.events), scope: func() access.Scope { return access.Hub(h.orgs.Current(), "hunt") },
		matched: h.match.Has, settled: h.settled, log: h.log, wake: make(chan struct{}, 1)}
	h.intel.OnChange = func(ind indicator.Indicator) {
		// The matcher has it before the look back waits for what is on its way:
		// no event falls between.
		h.match.Put(ind)
		h.announce("indicator", ind.ID, h.readers(ind))
		if ind.State != indicator.Active {
			return
		}
		h.line.Kick("hunt")
	}
	return nil
}

// readers lists who may know of an indicator; nil is everybody.
func (h *hub) readers(ind indicator.Indicator) []ident.ID {
	if ind.TLP == label.TLPGreen || ind.TLP == label.TLPClear {
		return nil
	}
	out := h.visible(ind.Org)
	for o := range h.orgs.Current().Audience(ind.Org, ind.TLP, ind.SharedWith) {
		out = append(out, o)
	}
	return out
}

// announceNodes says to each organisation, once, that something happened with its
// nodes. One that does not report yet is seen at the page's next look.
func (h *hub) announceNodes(topic string, nodes []ident.ID) {
	said := map[ident.ID]bool{}
	for _, n := range nodes {
		if r, ok := h.roll.Get(n); ok && !said[r.Org] {
			said[r.Org] = true
			h.announce(topic, n, h.visible(r.Org))
		}
	}
}

func (h *hub) announce(topic string, id ident.ID, readers []ident.ID) {
	h.line.Announce(topic, api.Change{ID: id, For: readers})
}
