package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"noroshi/access"
	"noroshi/api"
	"noroshi/config"
	"noroshi/console"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/observable"
	"noroshi/org"
	"noroshi/share/notice"
	"noroshi/web"
)

// socketName is the file in the data folder through which the operator on the
// machine speaks to the platform. Whoever can open it is the administrator.
const socketName = "admin.sock"

// Socket is where the operator's socket of a data folder is.
func Socket(dataDir string) string { return filepath.Join(dataDir, socketName) }

// faces opens the console, the API and the operator's socket.
func (h *hub) faces(context.Context) error {
	h.care = h.caring()
	var err error
	if h.access, err = access.New(nil); err != nil {
		return err
	}
	h.api = api.New(api.Backend{Version: Version(), SecureCookies: h.cfg.Hub.ConsoleTLS, Log: h.log, Now: time.Now, Access: h.access, Tree: h.orgs.Current,
		People: h.people, Nodes: h.nodes, Certificates: h.ca.Own, Roll: h.roll, Findings: h.findings, Intel: h.intel, Push: h.push, Events: h.events, PDNS: h.pdns,
		Quarantine: h.quarantine, Care: h.care, Discoveries: h.discoveries, Actions: h.actions, Systems: h.systems, Exposure: h.exposure, Notices: h.notices, Mail: h.mail, Watch: h.line.Watch, Status: h.status})
	mux := http.NewServeMux()
	mux.Handle("/api/", h.api)
	if about := h.cfg.Hub.Scans; about.Operator != "" {
		mux.Handle(console.AboutPath, console.About(console.Scans{Operator: about.Operator, OperatorJA: about.OperatorJA, Contact: about.Contact, Addresses: about.Addresses}, h.optOut, time.Now))
	}
	mux.Handle(notice.CheckPath, console.Check(h.notices, time.Now))
	mux.Handle("/", console.Handler(web.Dist()))
	l, err := net.Listen("tcp", h.cfg.Hub.Console)
	if err != nil {
		return fault.As(fault.Unavailable, "app.console", err, "the console cannot be opened: %s is taken or not allowed (hub.console)", h.cfg.Hub.Console)
	}
	h.consoleAddr = l.Addr().String()
	s := server(mux)
	serve := func() error { return s.Serve(l) }
	if h.cfg.Hub.ConsoleTLS {
		if s.TLSConfig, err = h.ca.ServerTLS(h.hosts()); err != nil {
			return err
		}
		serve = func() error { return s.ServeTLS(l, "", "") }
	}
	h.run.serve("console", s, serve)
	return h.socket()
}

// socket serves the same operations to the operator.
func (h *hub) socket() error {
	mux := http.NewServeMux()
	mux.Handle("/api/", h.api.Trusted(h.admin))
	mux.HandleFunc("POST /link", func(w http.ResponseWriter, r *http.Request) {
		link, err := h.link(r.Context())
		if err != nil {
			http.Error(w, fault.PublicOf(err), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"link": link}) // An operator who is gone asks again.
	})
	mux.HandleFunc("POST /people", h.addPerson)
	mux.HandleFunc("POST /backup", h.backup)
	if err := h.listenAt(Socket(h.cfg.DataDir), "operator's socket", mux); err != nil {
		return err
	}
	return h.listenAt(ScannerSocket(h.cfg.DataDir), "scanner's socket", h.scannerMux())
}

// listenAt serves on a socket that only the platform's user can open.
func (h *hub) listenAt(name, what string, handler http.Handler) error {
	_ = os.Remove(name) // One that a killed process left behind.
	l, err := net.Listen("unix", name)
	if err != nil {
		return fault.As(fault.Unavailable, "app.socket", err, "the %s %s cannot be opened", what, name)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return fault.Wrap("app.socket", err)
	}
	s := server(handler)
	h.run.serve(what, s, func() error { return s.Serve(l) })
	return nil
}

// link makes a one-time sign-in link for the administrator.
func (h *hub) link(ctx context.Context) (string, error) { return h.linkOf(ctx, h.admin.ID) }

func (h *hub) linkOf(ctx context.Context, person ident.ID) (string, error) {
	secret, err := h.people.NewLink(ctx, person)
	scheme := "http"
	if h.cfg.Hub.ConsoleTLS {
		scheme = "https"
	}
	return scheme + "://" + h.consoleAddr + "/sign-in#" + secret, err
}

// seed makes the organisations of the configuration, or brings them up to date.
func seed(ctx context.Context, orgs *identity.Organisations, list []config.Organisation, log *slog.Logger) error {
	for _, c := range list {
		if gone, err := orgs.Gone(ctx, c.Slug); err != nil || gone {
			if err != nil {
				return err
			}
			log.Warn("an organisation of the configuration was deleted and is not made again; take it out of hub.organisations", "role", "hub", "organisation", c.Slug)
			continue
		}
		x := org.Organisation{Slug: c.Slug, Name: c.Name, NameJA: c.NameJA, Kana: c.Kana, Sector: c.Sector, RetentionDays: c.Days}
		if c.Parent != "" {
			p, err := orgs.BySlug(ctx, c.Parent)
			if err != nil {
				return err
			}
			x.Parent = p.ID
		}
		var err error
		if x.Assets, err = assets(c); err != nil {
			return err
		}
		if old, err := orgs.BySlug(ctx, c.Slug); err == nil {
			x.ID, x.Tenant = old.ID, old.Tenant
			if same(old, x) {
				continue
			}
		}
		if _, err := orgs.Put(ctx, "hub:config", x); err != nil {
			return err
		}
	}
	return nil
}

func same(a, b org.Organisation) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

func assets(c config.Organisation) (org.Assets, error) {
	var a org.Assets
	for _, d := range c.Domains {
		o, err := observable.ParseKind(observable.Domain, d)
		if err != nil {
			return a, fault.As(fault.Invalid, "app.assets", err, "organisation %s: %s", c.Slug, fault.PublicOf(err))
		}
		a.Domains = append(a.Domains, o.Value)
	}
	for _, p := range c.Prefixes {
		x, err := netip.ParsePrefix(p)
		if err != nil {
			return a, fault.As(fault.Invalid, "app.assets", err, "organisation %s: %q is not a prefix", c.Slug, p)
		}
		a.Prefixes = append(a.Prefixes, x.Masked())
	}
	return a, nil
}

func server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
