package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/analyse/attribute"
	"noroshi/analyse/exposure"
	"noroshi/api"
	"noroshi/eventstore/storetest"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/share/notice"
)

func identOf(s string) ident.ID { return ident.ID(s) }

// draw draws a tree of organisations below a centre.
func draw(r *rand.Rand) []member {
	tree := []member{{slug: "centre"}}
	for i := range 4 + r.IntN(3) {
		tree = append(tree, member{fmt.Sprintf("m%d", i), tree[r.IntN(len(tree))].slug, i + 1})
	}
	return tree
}

// under tells whether m is at or below an organisation.
func under(tree []member, m member, at string) bool {
	for m.slug != at {
		if m.parent == "" {
			return false
		}
		for _, x := range tree {
			if x.slug == m.parent {
				m = x
				break
			}
		}
	}
	return true
}

// TestNobodySeesWhatIsNotTheirs walks every operation of the API as people of one
// organisation, on a platform that others share and on one where nobody else
// ever was. What they get must be the same: rows, counts, errors. A foreign
// record must be as unknown as one that never was.
func TestNobodySeesWhatIsNotTheirs(t *testing.T) {
	began := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("tree ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 9))
			tree := draw(r)
			at := tree[1+r.IntN(len(tree)-1)].slug
			own := func(m member) bool { return under(tree, m, at) }
			above := func(m member) bool { return under(tree, tree[index(tree, at)], m.slug) }
			all := func(m member) bool { return m.slug != "centre" }
			t.Logf("%v; the readers are at %s", tree, at)
			crowded := newWorld(t, began, tree, func(member) bool { return true }, all, above)
			alone := newWorld(t, began, tree, func(m member) bool { return own(m) || above(m) }, own, above)
			foreign := crowded.foreign(tree, own, above)
			for role, queries := range map[string][]string{access.Administrator: storetest.Hostile("00000000"), access.Viewer: nil} {
				compare(t, crowded, alone, at+" "+role, foreign, queries)
				kept(t, crowded, alone, at+" "+role, foreign)
			}
			crowded.live(tree, at, own, foreign)
		})
	}
}

func index(tree []member, slug string) int {
	for i, m := range tree {
		if m.slug == slug {
			return i
		}
	}
	return -1
}

// secrets are what nobody else may meet: identifiers of records, and markers.
type secrets struct {
	ids     []ident.ID
	markers []string
}

func (s secrets) in(text string) (string, bool) {
	for _, id := range s.ids {
		if strings.Contains(text, string(id)) {
			return string(id), true
		}
	}
	for _, m := range s.markers {
		if strings.Contains(text, m) {
			return m, true
		}
	}
	return "", false
}

// foreign lists what is of the organisations that are not own.
func (w *world) foreign(tree []member, own, above func(member) bool) (s secrets) {
	w.Helper()
	at := func(slug string) member { return tree[max(0, index(tree, slug))] }
	mine := map[ident.ID]bool{}
	for slug, o := range w.orgs {
		if mine[o.ID] = slug == "centre" || own(at(slug)); !mine[o.ID] {
			s.markers = append(s.markers, at(slug).marker())
		}
	}
	for id, name := range w.names {
		kind, slug, _ := strings.Cut(name, "-")
		// That there is something above a reader, the reader knows.
		if m := at(slug); !own(m) && slug != "centre" && (kind != "ORG" || !above(m)) {
			s.ids = append(s.ids, id)
		}
	}
	var found api.Page[finding.Finding, finding.State]
	must(w, w.API.Get(w.Context(), "/api/v1/findings?limit=500", &found))
	for _, f := range found.Items {
		if !mine[f.Org] {
			s.ids = append(s.ids, f.ID)
		}
	}
	var known api.Page[indicator.Indicator, indicator.State]
	must(w, w.API.Get(w.Context(), "/api/v1/indicators?limit=500", &known))
	for _, ind := range known.Items {
		if !mine[ind.Org] {
			s.ids = append(s.ids, ind.ID)
		}
	}
	var acts api.Page[action.Action, action.State]
	must(w, w.API.Get(w.Context(), "/api/v1/actions?limit=500", &acts))
	for _, a := range acts.Items {
		if !mine[a.Org] {
			s.ids = append(s.ids, a.ID)
		}
	}
	var told api.Page[notice.Notice, notice.State]
	must(w, w.API.Get(w.Context(), "/api/v1/notices?limit=500", &told))
	for _, x := range told.Items {
		if !mine[x.Org] {
			s.ids = append(s.ids, x.ID)
		}
	}
	for _, d := range w.discoveries() {
		if !mine[d.Org] {
			s.ids = append(s.ids, d.ID)
		}
	}
	if len(s.ids) < 10 {
		w.Fatalf("the foreign organisations have only %d records", len(s.ids))
	}
	return s
}

// compare walks all operations in both worlds as the same person.
func compare(t *testing.T, crowded, alone *world, who string, foreign secrets, queries []string) {
	t.Helper()
	const never = "ind_00000000000000000000000000"
	for _, o := range crowded.operations() {
		if o.session() {
			continue
		}
		if o.byID() || o.method != http.MethodGet {
			// One of each kind is enough to see how a foreign record is refused.
			kinds := map[string]bool{}
			for _, id := range foreign.ids {
				if kinds[string(id[:3])] {
					continue
				}
				kinds[string(id[:3])] = true
				unknown := string(id[:3]) + never[3:]
				asked, unasked := o.requests(crowded.began, string(id)), o.requests(crowded.began, unknown)
				for i, r := range asked {
					got, want := crowded.ask(who, r), crowded.ask(who, unasked[i])
					same(t, r, crowded.normal(got.without(string(id))), crowded.normal(want.without(unknown)))
					if got.status < 300 && o.method != http.MethodGet {
						t.Errorf("%s did something: %.200s", r, got.body)
					}
				}
			}
			continue
		}
		for id, queries := range map[string][]string{string(foreign.ids[0]): queries, foreign.markers[0]: nil} {
			for _, r := range o.requests(crowded.began, id, queries...) {
				got, want := crowded.ask(who, r), alone.ask(who, r)
				same(t, r, crowded.normal(got.without(id)), alone.normal(want.without(id)))
				if s, ok := foreign.in(got.body); ok && !strings.Contains(r.url, s) {
					t.Errorf("%s shows %s: %.500s", r, s, got.body)
				}
			}
		}
	}
}

// kept compares what the readers' own records say, and what is shared with them.
func kept(t *testing.T, crowded, alone *world, who string, foreign secrets) {
	t.Helper()
	here, there := crowded.records(who), alone.records(who)
	for _, o := range crowded.operations() {
		if !o.byID() || o.method != http.MethodGet {
			continue
		}
		for name, id := range here {
			if there[name] == "" {
				t.Errorf("%s has %s only where others are", who, name)
				continue
			}
			got, want := o.requests(crowded.began, id), o.requests(alone.began, there[name])
			for i, r := range got {
				a := crowded.ask(who, r)
				same(t, r, crowded.normal(a.without(id)), alone.normal(alone.ask(who, want[i]).without(there[name])))
				if s, ok := foreign.in(a.body); ok {
					t.Errorf("%s shows %s: %.500s", r, s, a.body)
				}
			}
		}
	}
}

// records are the records that somebody may list, by what they are about.
func (w *world) records(who string) map[string]string {
	w.Helper()
	out := map[string]string{}
	listed(w, who, out, "finding", "/findings", func(x finding.Finding) (string, ident.ID) { return x.Title + " " + w.names[x.Node], x.ID })
	listed(w, who, out, "indicator", "/indicators", func(x indicator.Indicator) (string, ident.ID) { return x.Observable.Value, x.ID })
	listed(w, who, out, "action", "/actions", func(x action.Action) (string, ident.ID) { return x.Weakness.Asset.Key + " " + x.Weakness.Name, x.ID })
	listed(w, who, out, "scope", "/scopes", func(x exposure.Scope) (string, ident.ID) { return fmt.Sprint(x.Terms.Ranges), x.ID })
	listed(w, who, out, "host", "/assets", func(x exposure.Host) (string, ident.ID) { return x.Address.String(), x.ID })
	listed(w, who, out, "notice", "/notices", func(x notice.Notice) (string, ident.ID) { return x.Device.Name + " " + string(x.Group), x.ID })
	listed(w, who, out, "discovery", "/discoveries", func(x attribute.Discovery) (string, ident.ID) { return x.Asset.Value, x.ID })
	return out
}

// listed adds one kind of record, of which everybody has some.
func listed[T any](w *world, who string, out map[string]string, kind, path string, about func(T) (string, ident.ID)) {
	w.Helper()
	var list struct{ Items []T }
	must(w, json.Unmarshal([]byte(w.ask(who, request{http.MethodGet, "/api/v1" + path + "?limit=500", ""}).body), &list))
	if len(list.Items) == 0 {
		w.Errorf("%s has no %s", who, kind)
	}
	for _, x := range list.Items {
		name, id := about(x)
		out[kind+" "+name] = string(id)
	}
}

// TestASharedIndicatorSaysNothingElse lets one organisation share what it found
// with everybody, and reads it as another: the name, and nothing of the house it
// came from.
func TestASharedIndicatorSaysNothingElse(t *testing.T) {
	tree := []member{{slug: "centre"}, {"m0", "centre", 1}, {"m1", "centre", 2}}
	everybody := func(m member) bool { return true }
	w := newWorld(t, time.Now().Add(-10*time.Minute).Truncate(time.Second), tree, everybody, func(m member) bool { return m.slug != "centre" }, func(member) bool { return false })
	foreign := w.foreign(tree, func(m member) bool { return m.slug == "m0" }, func(member) bool { return false })
	var id string
	for name, x := range w.records("m1 " + access.Analyst) {
		if strings.HasPrefix(name, "finding ") {
			id = x
		}
	}
	made := w.ask("m1 "+access.Analyst, request{http.MethodPost, "/api/v1/findings/" + id + "/indicator",
		`{"action":"block","tlp":"TLP:GREEN","pap":"PAP:GREEN","confidence":90,"valid_hours":1,"reason":"r","observable":{"kind":"domain","value":"escalated.noroshi-storm.net"}}`})
	if made.status != http.StatusOK || !strings.Contains(made.body, id) {
		t.Fatalf("nothing was made of the finding: %d %s", made.status, made.body)
	}
	var ind indicator.Indicator
	must(t, json.Unmarshal([]byte(made.body), &ind))
	for _, path := range []string{"/api/v1/indicators", "/api/v1/indicators/" + string(ind.ID), "/api/v1/beacon"} {
		got := w.ask("m0 "+access.Administrator, request{http.MethodGet, path, ""})
		if got.status != http.StatusOK || !strings.Contains(got.body, "escalated.noroshi-storm.net") {
			t.Errorf("%s does not show what is shared: %d %.300s", path, got.status, got.body)
		}
		// Who shares it is told by what is shared.
		body := strings.ReplaceAll(strings.ReplaceAll(got.body, string(ind.ID), ""), `"org":"`+string(ind.Org)+`"`, "")
		if s, ok := foreign.in(body); ok {
			t.Errorf("%s shows %s of who shares it: %s", path, s, body)
		}
	}
	// A list of the members' names is not to be had by asking what may be blocked.
	for _, name := range []string{"own.marker-m1.example.jp", "example.jp", "jp", "co.jp"} {
		got := w.ask("m0 "+access.Administrator, request{http.MethodPost, "/api/v1/indicators",
			`{"observable":"` + name + `","action":"block","tlp":"TLP:RED","pap":"PAP:GREEN","confidence":90,"valid_hours":1,"reason":"r"}`})
		if s, ok := foreign.in(strings.ReplaceAll(got.body, name, "")); ok {
			t.Errorf("asking for a block of %s tells of %s: %s", name, s, got.body)
		}
	}
}

// live listens to what changes while others are busy: nothing of it may be heard,
// not even that something happened.
func (w *world) live(tree []member, at string, own func(member) bool, foreign secrets) {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.console+"/api/v1/live", nil)
	must(w, err)
	client := *w.web[at+" "+access.Administrator]
	client.Timeout = 0
	resp, err := client.Do(req)
	must(w, err)
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && lines.Text() != "data: {}" { // The first ping: it listens.
	}
	for slug, e := range w.eyes {
		if m := tree[index(tree, slug)]; !own(m) {
			e.send(e.lookup("live." + m.marker() + ".example.net"))
			w.decide(slug, "live."+m.marker()+".example.net", "TLP:RED")
			waitFor(w, "others find something", func() bool { return len(w.seen("live."+m.marker()+".example.net")) > 0 })
		}
	}
	for id, name := range w.names {
		if slug, ok := strings.CutPrefix(name, "EDGE-"); ok && !own(tree[index(tree, slug)]) {
			must(w, w.API.Post(w.Context(), "/api/v1/nodes/"+string(id)+"/cut", map[string]string{"reason": "It is time."}, nil))
		}
	}
	last := w.decide(at, "last."+member{slug: at}.marker()+".example.net", "TLP:AMBER")
	event := ""
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "event: "):
			event = line
		case strings.Contains(line, string(last.ID)):
			return
		case strings.HasPrefix(line, "data: ") && event != "event: ping":
			id := identifier.FindString(line)
			if _, ok := foreign.in(line); ok || id == "" || !w.mine(at, id) {
				w.Errorf("%s hears of what is not theirs: %s %s", at, event, line)
			}
		}
	}
	w.Errorf("the stream ended before its end: %v", lines.Err())
}

// mine tells whether a record is one that people at an organisation may read.
func (w *world) mine(at, id string) bool {
	for _, path := range []string{"/api/v1/findings/", "/api/v1/indicators/", "/api/v1/actions/", "/api/v1/notices/"} {
		if w.ask(at+" "+access.Administrator, request{http.MethodGet, path + id, ""}).status == http.StatusOK {
			return true
		}
	}
	nodes := w.ask(at+" "+access.Administrator, request{http.MethodGet, "/api/v1/nodes", ""})
	return strings.Contains(nodes.body, id)
}
