package app

import (
	"context"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/analyse/exposure"
	"noroshi/analyse/iot"
	"noroshi/bom"
	"noroshi/content"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/sense/surface"
)

// surface makes the stage that keeps what is exposed.
func (h *hub) surface(context.Context) error {
	d := exposure.Deps{DB: h.db, Texts: scopeTexts{}, Actions: toDo{h}, Advisories: believed{h}, Names: names{h}, Tree: h.orgs.Current, Now: time.Now, Ident: h.deps.Ident, Log: h.log,
		Every: h.cfg.Hub.Scans.Interval(), About: h.cfg.Hub.Scans.URL, Rules: content.Exposure()}
	rules, err := iot.Load(content.Devices())
	if err != nil {
		return err
	}
	d.Devices = deviceSurveys{h, rules}
	if h.exposure, err = exposure.New(d); err != nil {
		return err
	}
	h.exposure.OnChange = func(id, org ident.ID) { h.announce("surface", id, h.visible(org)) }
	return nil
}

// toDo keeps what must be done about what is exposed.
type toDo struct{ h *hub }

func (t toDo) Take(ctx context.Context, s access.Scope, look action.Survey) error {
	_, err := t.h.actions.Take(ctx, s, look)
	return err
}

// maxClaims is how many claims are looked at between two questions of a scanner.
const maxClaims = 200

func (t toDo) Recheck(ctx context.Context) ([]exposure.Wish, error) { return t.h.wishes(ctx) }

// scopeTexts reads scopes as the scanner does.
type scopeTexts struct{}

func (scopeTexts) Parse(text []byte) (exposure.Terms, error) {
	s, err := surface.Parse(text)
	if err != nil {
		return exposure.Terms{}, err
	}
	t := exposure.Terms{Owner: s.Owner, Survey: s.Survey, Contact: s.Contact, LegalBasis: s.LegalBasis, Proof: s.Proof.Kind, Token: s.Token(), Digest: s.Digest(),
		Ranges: s.Ranges, Excluded: s.Excluded, Cap: s.Caps.Owner, Targets: s.Targets(), ValidUntil: s.ValidUntil.UTC()}
	for _, p := range s.Ports {
		t.Places = append(t.Places, action.PortPlace("tcp", p))
	}
	for _, p := range s.UDPPorts {
		t.Places = append(t.Places, action.PortPlace("udp", p))
	}
	return t, nil
}

func (scopeTexts) Exclude(text []byte, more []netip.Prefix) ([]byte, error) {
	return surface.Exclude(text, more)
}

func (scopeTexts) Open(text []byte, now time.Time) bool {
	s, err := surface.Parse(text)
	return err == nil && s.Open(now)
}

// believed is what the systems are matched with, too, and is made after what is
// seen: each asks the other.
type believed struct{ h *hub }

func (b believed) Believed(packageType string) (int64, error) {
	return b.h.systems.Believed(packageType)
}
func (b believed) Weak(p bom.PURL) []exposure.Known { return b.h.systems.Weak(p) }

// names are what walks found, which are read for as long as they are kept.
type names struct{ h *hub }

func (n names) Names(ctx context.Context, of ident.ID) (map[netip.Addr][]string, error) {
	return n.h.discoveries.Names(ctx, n.h.under(of))
}

// optOut takes what somebody asked on the public page.
func (h *hub) optOut(ctx context.Context, prefix, contact, reason, from string) (string, error) {
	o, err := h.exposure.Ask(ctx, prefix, contact, reason, from)
	return string(o.ID), err
}

// ScannerSocket is where the scanner's socket of a data folder is.
func ScannerSocket(dataDir string) string { return filepath.Join(dataDir, "scanner.sock") }

// scannerMux is all that a scanner may ask: whoever takes over its process, which
// reads what hostile servers say, has got no more than these.
func (h *hub) scannerMux() http.Handler {
	scanner := access.Principal{ID: "scanner", Name: "the scanner", Roles: map[ident.ID][]string{}}
	for _, o := range h.orgs.Current().All() {
		if o.Parent == "" {
			scanner.Roles[o.ID] = []string{access.Operator}
		}
	}
	trusted := h.api.Trusted(scanner)
	mux := http.NewServeMux()
	for _, p := range []string{"POST /api/v1/surface/next", "GET /api/v1/surface/runs/{id}/scope", "POST /api/v1/surface/runs/{id}/probes", "POST /api/v1/surface/runs/{id}/results", "POST /api/v1/surface/runs/{id}/close"} {
		mux.Handle(p, trusted)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, fault.New(fault.Denied, "app.scanner", "a scanner may not ask this").Error(), http.StatusForbidden)
	})
	return mux
}
