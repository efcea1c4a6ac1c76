package console

import (
	"context"
	"embed"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"noroshi/fault"
	"noroshi/share/notice"
)

// Owners is what stands behind the page of a device's owner.
type Owners interface {
	View(ctx context.Context, token string) (notice.View, error)
	Ask(ctx context.Context, token string) error
	SayAsOwner(ctx context.Context, token string, v notice.Verdict, words string) error
}

//go:embed check.html
var checkPage embed.FS

const checkPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// The bounds of what everybody may ask of the page.
const (
	maxCheckForm = 16 << 10
	perMinute    = 60     // requests of one network
	maxNetworks  = 10_000 // that are remembered in a minute
)

// Check serves the owner's page under notice.CheckPath: no session, no script, both
// languages. Whoever has the link sees one notice, and nothing else.
func Check(o Owners, now func() time.Time) http.Handler {
	c := &check{o: o, now: now, page: template.Must(template.New("check.html").Funcs(template.FuncMap{"time": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }}).ParseFS(checkPage, "check.html")), seen: map[netip.Prefix]int{}}
	return http.NewCrossOriginProtection().Handler(c)
}

type check struct {
	o    Owners
	now  func() time.Time
	page *template.Template

	mu     sync.Mutex
	minute int64
	seen   map[netip.Prefix]int
}

// shownCheck is what the template shows.
type shownCheck struct {
	Path          string
	View          notice.View
	Found         bool
	Problem, Done string
}

func (c *check) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", checkPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // The address is the secret.
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Content-Type", "text/html; charset=utf-8")
	if !c.mayAsk(r.RemoteAddr) {
		h.Set("Retry-After", "60")
		c.write(w, http.StatusTooManyRequests, shownCheck{Problem: "often"})
		return
	}
	token, what, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, notice.CheckPath), "/")
	shown := shownCheck{Path: notice.CheckPath + token}
	switch {
	case r.Method == http.MethodGet && what == "":
	case r.Method == http.MethodPost && (what == "again" || what == "feedback"):
		r.Body = http.MaxBytesReader(w, r.Body, maxCheckForm)
		if err := c.act(r, token, what); err != nil {
			shown.Problem = problem(err)
		} else {
			// A page that is loaded again must not ask again.
			http.Redirect(w, r, shown.Path+"?done="+what, http.StatusSeeOther)
			return
		}
	default:
		c.write(w, http.StatusNotFound, shownCheck{Problem: "unknown"})
		return
	}
	code := http.StatusOK
	if done := r.URL.Query().Get("done"); r.Method == http.MethodGet && (done == "again" || done == "feedback") {
		shown.Done = done
	}
	var err error
	if shown.View, err = c.o.View(r.Context(), token); err != nil {
		shown = shownCheck{Problem: problem(err)}
		code = http.StatusNotFound
		if shown.Problem == "later" {
			code = http.StatusServiceUnavailable
		}
	}
	shown.Found = err == nil
	c.write(w, code, shown)
}

func (c *check) act(r *http.Request, token, what string) error {
	if err := r.ParseForm(); err != nil {
		return fault.As(fault.Invalid, "console.check", err, "the form cannot be read")
	}
	if what == "again" {
		return c.o.Ask(r.Context(), token)
	}
	return c.o.SayAsOwner(r.Context(), token, notice.Verdict(r.PostForm.Get("verdict")), r.PostForm.Get("words"))
}

// problem names what the page says; nothing of the inside is told.
func problem(err error) string {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return "unknown"
	case fault.Exhausted, fault.Conflict:
		return "wait"
	case fault.Invalid, fault.TooLarge:
		return "form"
	}
	return "later"
}

func (c *check) write(w http.ResponseWriter, code int, shown shownCheck) {
	w.WriteHeader(code)
	_ = c.page.Execute(w, shown) // The reader may be gone.
}

// mayAsk counts what a network asks in a minute. When too many networks ask at
// once, new ones wait for the next minute: guessing is hopeless, and the ledger is
// to be spared.
func (c *check) mayAsk(remote string) bool {
	host, _, _ := net.SplitHostPort(remote)
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	bits := 24
	if a = a.Unmap(); a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.now().Unix() / 60; m != c.minute {
		c.minute, c.seen = m, map[netip.Prefix]int{}
	}
	if _, known := c.seen[p]; !known && len(c.seen) >= maxNetworks {
		return false
	}
	c.seen[p]++
	return c.seen[p] <= perMinute
}
