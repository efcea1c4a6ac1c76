package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/analyse/attribute"
	"noroshi/analyse/exposure"
	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/bus"
	"noroshi/event"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/identity/join"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/org"
	"noroshi/sense/rollcall"
	"noroshi/share/edge"
	"noroshi/share/notice"
	"noroshi/share/push"
)

// member is one organisation of a tree that was drawn, and its number there.
type member struct {
	slug, parent string
	n            int
}

// marker stands in everything that an organisation has.
func (m member) marker() string { return "marker-" + m.slug }

// world is a platform with the organisations of a tree and, for some of them,
// everything that an organisation can have.
type world struct {
	*platform
	began time.Time // the same in all worlds that are compared
	names map[ident.ID]string
	eyes  map[string]*eye
	bases map[string]string // person → where they work, a URL
	web   map[string]*http.Client
}

const shared = "shared.noroshi-storm.net" // an indicator of the centre, for all to see

// newWorld makes the organisations for which exists says so, and fills those for
// which full says so. Above tells those above the readers.
func newWorld(t *testing.T, began time.Time, tree []member, exists, full, above func(member) bool) *world {
	t.Helper()
	rules := t.TempDir()
	write(t, filepath.Join(rules, "marked.yml"), []byte("title: marked\nid: marked\nlogsource: {category: dns_query}\nlevel: low\ndetection:\n  s: {QueryName|contains: marker-}\n  condition: s\n"))
	yaml := ""
	for _, m := range tree {
		if exists(m) && m.parent != "" {
			yaml += fmt.Sprintf("  - {slug: %s, name: %s, name_ja: %s, kana: %s, sector: telecom, parent: %s, domains: [own.%s.example.jp], prefixes: [10.%d.0.0/16]}\n", m.slug, m.marker(), m.marker(), m.marker(), m.parent, m.marker(), m.n)
		}
	}
	w := &world{platform: startWith(t, yaml+"  rules: ["+rules+"]\n"), began: began, names: map[ident.ID]string{}, eyes: map[string]*eye{}, web: map[string]*http.Client{}}
	for slug, o := range w.orgs {
		w.names[o.ID] = "ORG-" + slug
	}
	for _, m := range tree {
		if exists(m) && full(m) {
			w.fill(m, above(m))
		}
	}
	w.share()
	w.rest(tree, func(m member) bool { return exists(m) && full(m) })
	return w
}

// fill gives an organisation an eye, an edge, events, findings, passive DNS, a
// piece in quarantine and indicators of its own.
func (w *world) fill(m member, above bool) {
	w.Helper()
	e := w.eye(m.slug)
	e.seq = 1000
	w.names[e.id.Node], w.eyes[m.slug] = "EYE-"+m.slug, e
	var lines [][]byte
	for i, name := range []string{"a." + m.marker() + ".example.net", "b." + m.marker() + ".example.net", shared, "c.noroshi.example"} {
		lines = append(lines, e.lookup(name, func(x *event.Event) {
			x.Time = w.began.Add(time.Duration(10*m.n+i) * time.Second).UnixMilli()
			x.Answers = []event.DNSAnswer{{Type: "TXT", RData: m.marker()}}
			x.Device = &event.Device{Hostname: m.marker(), TypeID: 1}
			x.Message = m.marker()
		}))
	}
	e.send(append(lines, []byte(`{"lie":"`+m.marker()+`"}`))...)
	w.report(e.line, m, "sensor")
	w.edge(m)
	marks := map[string]string{"strict": "TLP:AMBER+STRICT", "red": "TLP:RED"}
	if !above { // To those below, AMBER is open.
		marks["amber"] = "TLP:AMBER"
	}
	w.survey(m)
	w.notices(m)
	for name, tlp := range marks {
		w.decide(m.slug, name+"."+m.marker()+".example.net", tlp)
	}
}

// survey finds weaknesses of the organisation: one that is its own and late, one
// that nobody knows the owner of, and one that is gone.
func (w *world) survey(m member) {
	w.Helper()
	v := action.Survey{Source: action.BySurface, Org: w.orgs[m.slug].ID, Realm: label.Real, By: m.marker(), Basis: m.marker(),
		Coverage: action.Coverage{Checks: []string{"tls"}, Assets: []string{"own." + m.marker(), "strange." + m.marker(), "gone." + m.marker()}}}
	for _, name := range v.Coverage.Assets {
		x := action.Weakness{Org: v.Org, Asset: action.Asset{Kind: "system", Key: name, Name: name}, Place: "p", Check: "tls", Name: "CVE-2026-1", Title: m.marker(), TitleJA: m.marker(), Level: action.High}
		if strings.HasPrefix(name, "strange") {
			x.Org = ""
		}
		v.Weaknesses = append(v.Weaknesses, x)
	}
	for i, left := range [][]action.Weakness{v.Weaknesses, v.Weaknesses[:2]} {
		v.ID, v.Weaknesses = ident.System().New(ident.Survey), left
		v.Began = w.began.Add(time.Duration(i)*time.Minute - 31*24*time.Hour)
		v.Ended = v.Began
		must(w, w.API.Post(w.Context(), "/api/v1/surveys", v, nil))
	}
}

// notices finds weak devices of the organisation's customers, and hears what is
// said of it.
func (w *world) notices(m member) {
	w.Helper()
	r := notice.Report{Until: w.began.AddDate(1, 0, 0), Survey: action.Survey{ID: ident.System().New(ident.Survey), Source: action.ByIoT, Org: w.orgs[m.slug].ID, Realm: label.Real, By: m.marker(), Basis: m.marker(), Began: w.began, Ended: w.began,
		Coverage: action.Coverage{Checks: []string{"exposed", "infected"}, Ranges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Ports: []string{"tcp/23", "traffic"}}}}
	for _, check := range r.Survey.Coverage.Checks {
		address := fmt.Sprintf("10.%d.0.1", m.n)
		r.Survey.Weaknesses = append(r.Survey.Weaknesses, action.Weakness{Asset: action.Asset{Kind: "device", Key: address, Name: m.marker()}, Place: map[string]string{"exposed": "tcp/23", "infected": "traffic"}[check], Check: check, Name: "rule-" + m.marker(), Title: m.marker(), TitleJA: m.marker(), Level: action.High})
		r.Devices = append(r.Devices, notice.Device{Address: netip.MustParseAddr(address), Kind: "router", Maker: m.marker(), Name: m.marker(), NameJA: m.marker(), Confidence: 90})
	}
	must(w, w.API.Post(w.Context(), "/api/v1/notices/surveys", r, nil))
	var list api.Page[notice.Notice, notice.State]
	must(w, w.API.Get(w.Context(), "/api/v1/notices?org="+string(r.Survey.Org), &list))
	if len(list.Items) != 2 {
		w.Fatalf("%s has %d notices", m.slug, len(list.Items))
	}
	for _, x := range list.Items {
		must(w, w.API.Post(w.Context(), "/api/v1/notices/"+string(x.ID)+"/feedback", map[string]any{"who": "isp", "verdict": "useful", "words": m.marker()}, nil))
	}
	must(w, w.API.Post(w.Context(), "/api/v1/notices/send", map[string]any{"org": r.Survey.Org, "realm": "real"}, nil))
}

func (w *world) decide(slug, name, tlp string) indicator.Indicator {
	w.Helper()
	var ind indicator.Indicator
	must(w, w.API.Post(w.Context(), "/api/v1/indicators", map[string]any{"observable": name, "org": w.orgs[slug].ID, "action": "block", "tlp": tlp, "pap": "PAP:GREEN",
		"confidence": 90, "valid_hours": 24, "reason": "about " + name, "reason_ja": name}, &ind))
	return ind
}

// edge is a resolver of the organisation that follows its feeds.
func (w *world) edge(m member) {
	w.Helper()
	token, err := w.Token(w.Context(), w.orgs[m.slug].ID, "resolver")
	must(w, err)
	id, err := join.Join(w.Context(), token, "edge-"+m.marker(), filepath.Join(w.TempDir(), "identity"))
	must(w, err)
	w.names[id.Node] = "EDGE-" + m.slug
	line, err := bus.Dial(id.Bus, bus.Node{Org: id.Org, ID: id.Node, Name: id.Name}, id.TLS())
	must(w, err)
	f, err := edge.New(edge.Config{Dir: w.TempDir(), Feeds: id.Feeds, Key: id.FeedKey()}, edge.Deps{Line: line, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	must(w, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	w.Cleanup(func() { stop(); must(w, <-done); line.Close() })
	waitFor(w, "the edge is connected", line.Connected)
	w.report(line, m, "resolver")
}

// report says again and again how a node is, as nodes do.
func (w *world) report(line *bus.Client, m member, role string) {
	stop := make(chan struct{})
	w.Cleanup(func() { close(stop) })
	go func() {
		for tick := time.NewTicker(rollcall.Interval); ; {
			// A hub that is away hears the next one.
			_ = line.Status(rollcall.Report{Role: role, Version: m.marker(), At: time.Now(), Started: w.began, Limits: []string{m.marker()}})
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
}

// share makes an indicator that all may see, of which the past knows sightings in
// every organisation.
func (w *world) share() {
	w.Helper()
	for slug := range w.eyes {
		waitFor(w, "the events of "+slug+" are stored", func() bool {
			return len(w.seen("c.noroshi.example")) == len(w.eyes) && len(w.seen(shared)) == len(w.eyes)
		})
	}
	ind := w.decide("centre", shared, "TLP:GREEN")
	waitFor(w, "the look back has found all of them", func() bool {
		var d api.IndicatorDetail
		must(w, w.API.Get(w.Context(), "/api/v1/indicators/"+string(ind.ID), &d))
		return d.Indicator.Sightings == int64(len(w.eyes))
	})
}

// rest waits until every edge has confirmed everything, and signs people in: an
// administrator, an analyst and a viewer for each organisation.
func (w *world) rest(tree []member, in func(member) bool) {
	w.Helper()
	waitFor(w, "every edge has confirmed everything", func() bool {
		var nodes api.Items[api.Node]
		must(w, w.API.Get(w.Context(), "/api/v1/nodes", &nodes))
		for _, n := range nodes.Items {
			if n.State != "active" {
				return false
			}
		}
		var list api.Page[indicator.Indicator, indicator.State]
		must(w, w.API.Get(w.Context(), "/api/v1/indicators?limit=500", &list))
		for _, ind := range list.Items {
			var d api.IndicatorDetail
			must(w, w.API.Get(w.Context(), "/api/v1/indicators/"+string(ind.ID), &d))
			for _, x := range d.Deliveries {
				if x.State != push.Confirmed {
					return false
				}
			}
		}
		return true
	})
	waitFor(w, "everybody who is late was reminded", func() bool {
		var late api.Page[action.Action, action.State]
		must(w, w.API.Get(w.Context(), "/api/v1/actions?overdue=true&limit=500", &late))
		var told api.Reminders
		must(w, w.API.Get(w.Context(), "/api/v1/actions/reminders?limit=500", &told))
		return len(told.Items) == len(late.Items)
	})
	waitFor(w, "every organisation was walked", func() bool { return len(w.discoveries()) == len(w.orgs)-1 })
	var all []org.Organisation
	for _, o := range w.orgs {
		all = append(all, o)
	}
	db, err := ledger.Open(w.Context(), "sqlite:"+filepath.Join(w.Dir, "data", "ledger.db"))
	must(w, err)
	defer func() { must(w, db.Close()) }()
	people := identity.NewPeople(identity.Deps{DB: db, Now: time.Now, Ident: ident.System()})
	for _, m := range tree {
		if !in(m) {
			continue
		}
		for _, role := range []string{access.Administrator, access.Analyst, access.Viewer} {
			who, err := people.Add(w.Context(), access.Hub(org.NewTree(all), "test"), m.marker(), map[ident.ID][]string{w.orgs[m.slug].ID: {role}})
			must(w, err)
			link, err := people.NewLink(w.Context(), who.ID)
			must(w, err)
			w.names[who.ID] = "PERSON-" + m.slug
			w.web[m.slug+" "+role] = w.signIn(link)
		}
	}
	for _, m := range tree {
		if in(m) {
			w.expose(m)
		}
	}
}

// expose gives an organisation a scope that two people stand for, one that is
// proposed, a run, a host with a service, and with it an action.
func (w *world) expose(m member) {
	w.Helper()
	for i, what := range []string{"scanned", "proposed"} {
		text, err := json.Marshal(fmt.Sprintf(`owner: %s
contact: lab@example.jp
legal_basis: about %s
proof: {kind: letter, reference: drawer 3, recorded_by: [Hanako, Taro]}
ranges: [10.%d.%d.0/30]
ports: [6379]
rate: 10
caps: {address: 1, network: 10, owner: 100}
valid_until: 2099-01-01T00:00:00Z
`, m.marker(), m.marker(), m.n, i+1))
		must(w, err)
		made := w.ask(m.slug+" "+access.Administrator, request{http.MethodPost, "/api/v1/scopes", `{"org":"` + string(w.orgs[m.slug].ID) + `","text":` + string(text) + `}`})
		var c exposure.Scope
		must(w, json.Unmarshal([]byte(made.body), &c))
		w.names[c.ID] = "SCOPE-" + m.slug
		if what == "scanned" {
			must(w, w.API.Post(w.Context(), "/api/v1/scopes/"+string(c.ID)+"/approve", map[string]any{"version": 1}, nil))
		}
	}
	scanner := operator.Dial(app.ScannerSocket(filepath.Join(w.Dir, "data")))
	var job exposure.ScanJob
	must(w, scanner.Post(w.Context(), "/api/v1/surface/next", map[string]any{"scanner": "one"}, &job))
	w.names[job.Run] = "RUN-" + m.slug
	path := "/api/v1/surface/runs/" + string(job.Run)
	must(w, scanner.Post(w.Context(), path+"/results", map[string]any{"scanner": "one", "ports": []any{map[string]any{
		"address": fmt.Sprintf("10.%d.1.1", m.n), "port": 6379, "transport": "tcp", "service": "redis", "product": m.marker(), "tls": map[string]any{"versions": []string{"TLS 1.0"}, "subject": m.marker()}}}}, nil))
	must(w, scanner.Post(w.Context(), path+"/close", map[string]any{"scanner": "one", "why": "done", "fingerprints": false, "summary": map[string]any{}}, nil))
	var hosts struct{ Items []exposure.Host }
	var todo struct{ Items []action.Action }
	waitFor(w, "what was seen at "+m.slug+" is judged", func() bool { // A hub that begins reads its feeds first.
		must(w, w.API.Get(w.Context(), "/api/v1/assets?q="+fmt.Sprintf("10.%d.1.1", m.n), &hosts))
		must(w, w.API.Get(w.Context(), "/api/v1/actions?limit=500&org="+string(w.orgs[m.slug].ID), &todo))
		return len(hosts.Items) == 1 && slices.ContainsFunc(todo.Items, func(x action.Action) bool { return x.Weakness.Asset.Kind == "host" })
	})
	for _, h := range hosts.Items {
		w.names[h.ID] = "HOST-" + m.slug
	}
	for _, x := range todo.Items {
		w.names[x.ID] = "ACTION-" + m.slug
	}
}

// discoveries lists what walks found, everywhere: of each member the domain that
// it declares.
func (w *world) discoveries() []attribute.Discovery {
	w.Helper()
	var p api.Page[attribute.Discovery, string]
	must(w, w.API.Get(w.Context(), "/api/v1/discoveries?limit=500", &p))
	var runs api.Items[attribute.Walked]
	must(w, w.API.Get(w.Context(), "/api/v1/discoveries/runs", &runs))
	for _, r := range runs.Items {
		if r.Ended.Before(r.Began) {
			return nil
		}
	}
	return p.Items
}

func (w *world) signIn(link string) *http.Client {
	w.Helper()
	jar, err := cookiejar.New(nil)
	must(w, err)
	c := &http.Client{Jar: jar, Timeout: time.Minute}
	b, err := json.Marshal(map[string]string{"link": link})
	must(w, err)
	resp, err := c.Post("http://"+w.console+"/api/v1/session", "application/json", bytes.NewReader(b))
	must(w, err)
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body)
		w.Fatalf("nobody signs in: %s %s", resp.Status, said)
	}
	return c
}
