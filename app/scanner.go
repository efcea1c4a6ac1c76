package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"noroshi/action"
	"noroshi/api/operator"
	"noroshi/config"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/oplog"
	"noroshi/sense/surface"
	"noroshi/sense/surface/identify"
	"noroshi/service"
)

// ScannerOptions say how a scanner looks.
type ScannerOptions struct {
	Name     string // one for ever; the hub gives it back what it left unfinished
	Socket   string // the hub's; the data folder's when empty
	Scan     surface.Options
	Identify identify.Engine
}

// Scanner is a running scanner: it asks the hub what is due, scans it by leave of
// the hub's text, and hands in what it saw.
type Scanner struct {
	hub operator.Client
	o   ScannerOptions
	log *slog.Logger
	dir string
	run runner
}

// StartScanner starts the scanner role.
func StartScanner(cfg config.Config, o ScannerOptions, log *slog.Logger) (*Scanner, error) {
	if o.Socket == "" {
		o.Socket = ScannerSocket(cfg.DataDir)
	}
	sc := &Scanner{hub: operator.Dial(o.Socket), o: o, log: log.With(oplog.Role, "scanner"), dir: filepath.Join(cfg.DataDir, "scanner"), run: newRunner()}
	unlock, err := lock(sc.dir)
	if fault.KindOf(err) == fault.Conflict { // Two of one name would be taken for one, and send twice what a scope allows.
		return nil, fault.As(fault.Conflict, "app.scanner", err, "another scanner works in %s", sc.dir)
	}
	if err != nil {
		return nil, err
	}
	sc.run.cleanup("lock", unlock)
	sc.run.background("scanner", sc.work)
	return sc, nil
}

// Failed gets the reason when the scanner ends by itself.
func (sc *Scanner) Failed() <-chan error { return sc.run.failed }

// Stop stops the scanner. What it was at, it goes on with when it is started again.
func (sc *Scanner) Stop() error { return sc.run.stop() }

// idle is how long a scanner waits when nothing is due or the hub is away.
const idle = 2 * time.Second

// job is what the hub says is due.
type job struct {
	Run   ident.ID                `json:"run"`
	Org   ident.ID                `json:"org"`
	Only  []string                `json:"only"`
	About string                  `json:"about"`
	Names map[netip.Addr][]string `json:"names"`
}

func (sc *Scanner) work(ctx context.Context) error {
	for ctx.Err() == nil {
		var j job
		err := sc.hub.Post(ctx, "/api/v1/surface/next", map[string]any{"scanner": sc.o.Name}, &j)
		if err == nil {
			err = sc.scan(ctx, j)
		}
		if err != nil && fault.KindOf(err) != fault.NotFound && ctx.Err() == nil {
			sc.log.Warn("the scanner tries again", "why", fault.PublicOf(err))
		}
		if err != nil {
			wait(ctx, idle)
		}
	}
	return nil
}

// scan makes one run. The gate goes by the hub's text, which is asked for as
// often as a file would be read.
func (sc *Scanner) scan(ctx context.Context, j job) error {
	log := sc.log.With("run", j.Run, oplog.Org, j.Org)
	path := "/api/v1/surface/runs/" + string(j.Run)
	scope, err := surface.Follow(ctx, "the hub", func(ctx context.Context) ([]byte, error) {
		var out struct{ Text string }
		err := sc.hub.Get(ctx, path+"/scope?scanner="+url.QueryEscape(sc.o.Name), &out)
		return []byte(out.Text), err
	})
	if err != nil {
		if k := fault.KindOf(err); k == fault.Unavailable || ctx.Err() != nil {
			return err // The hub is away; the run waits.
		}
		return errors.Join(err, sc.close(ctx, path, "refused", map[string]string{"error": fault.PublicOf(err)}))
	}
	var only []surface.Target
	for _, text := range j.Only {
		to, err := surface.ParseTarget(text)
		if err != nil {
			return fault.As(fault.Invalid, "app.scanner", err, "the hub asks for a look at %q, which is no place", text)
		}
		only = append(only, to)
	}
	account, from, err := surface.GoOn(filepath.Join(sc.dir, "surface-runs.jsonl"), scope, j.Run)
	if err != nil {
		return err
	}
	engine := sc.o.Identify
	if engine.Contact = scope.Contact; j.About != "" {
		engine.Contact += ", " + j.About
	}
	engine.Names = func(a netip.Addr) []string { return j.Names[a] }
	h := &handIn{hub: sc.hub, path: path, name: sc.o.Name, log: log}
	o := sc.o.Scan
	account.Account(&o)
	o.Identify, o.Only, o.From, o.Found, o.Closed = &engine, only, from, h.found, h.closed
	o.Allow = func(more int64) (int64, error) {
		more, err := sc.allowed(ctx, path, more)
		if err != nil || more <= 0 {
			return 0, err
		}
		return account.Allow(more)
	}
	log.Info("scanning", "targets", scope.Targets(), "from", from.Next)
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { h.keep(sending) })
	summary, err := surface.Scan(ctx, scope, o)
	stop()
	running.Wait()
	why, told := summary.Ended, any(summary)
	if err != nil {
		log.Warn("the scan did not run", "why", fault.PublicOf(err))
		why, told = "refused", map[string]string{"error": fault.PublicOf(err)}
		summary.Position = from
	}
	if err := account.End(summary); err != nil {
		return err
	}
	log.Info("scanned", "ended", why, "open", summary.Open, "probes", summary.Probes)
	// A scanner that was told to stop still says how far it came.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopBound/2)
	defer cancel()
	if err := h.flush(last); err != nil {
		return err
	}
	if err := sc.close(last, path, why, told); err != nil {
		return err
	}
	if why != "done" {
		wait(ctx, idle) // What ended it may still be so.
	}
	return nil
}

// allowed asks for leave for more probes: the hub counts those of every scanner
// that has had the run. Nobody is sent anything while it is asked, so it is not
// waited for longer than for the scope's text.
func (sc *Scanner) allowed(ctx context.Context, path string, more int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, allowedWithin)
	defer cancel()
	var out struct{ Allowed int64 }
	err := sc.hub.Post(ctx, path+"/probes", map[string]any{"scanner": sc.o.Name, "more": more}, &out)
	return out.Allowed, err
}

const allowedWithin = 600 * time.Millisecond

func (sc *Scanner) close(ctx context.Context, path, why string, summary any) error {
	return sc.hub.Post(ctx, path+"/close", map[string]any{"scanner": sc.o.Name, "why": why, "fingerprints": sc.o.Identify.Fingerprints != nil, "summary": summary}, nil)
}

// handIn gathers what a run sees and hands it in.
type handIn struct {
	hub        operator.Client
	path, name string
	log        *slog.Logger

	mu    sync.Mutex
	ports []json.RawMessage
	quiet []string
}

// The sizes of what is handed in at once; the hub takes 256 KiB.
const (
	partBytes = 200 << 10
	partPorts = 500
	partQuiet = 4000
)

func (h *handIn) found(p service.Port) {
	b, err := json.Marshal(p)
	if err == nil && len(b) > partBytes/2 { // What it said is too much; that it is open is not.
		p.Evidence, p.HTTP = nil, nil
		b, err = json.Marshal(p)
	}
	if err != nil {
		h.log.Error("an open port cannot be written down", "address", p.Address, "port", p.Port, "err", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ports = append(h.ports, b)
}

func (h *handIn) closed(to surface.Target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.quiet = append(h.quiet, action.Answer(to.Addr(), action.PortPlace(to.Network(), to.Port())))
}

// keep hands in what there is until ctx ends, so that a crash loses little.
func (h *handIn) keep(ctx context.Context) {
	for ctx.Err() == nil {
		wait(ctx, idle)
		if err := h.flush(ctx); err != nil && ctx.Err() == nil {
			h.log.Warn("what was seen cannot be handed in yet", "why", fault.PublicOf(err))
		}
	}
}

// flush hands in everything, in parts. A part that the hub may have is sent
// again: the same twice is once.
func (h *handIn) flush(ctx context.Context) error {
	for {
		h.mu.Lock()
		n, size := 0, 0
		for n < min(len(h.ports), partPorts) && (n == 0 || size+len(h.ports[n]) < partBytes) {
			size += len(h.ports[n])
			n++
		}
		m := 0
		if size < partBytes/2 {
			m = min(len(h.quiet), partQuiet*(partBytes-size)/partBytes/2)
		}
		part := map[string]any{"scanner": h.name, "ports": h.ports[:n], "closed": h.quiet[:m]}
		h.mu.Unlock()
		if n+m == 0 {
			return nil
		}
		if err := h.hub.Post(ctx, h.path+"/results", part, nil); err != nil {
			return err
		}
		h.mu.Lock()
		h.ports, h.quiet = h.ports[n:], h.quiet[m:]
		h.mu.Unlock()
	}
}
