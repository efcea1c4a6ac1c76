package hunt_test

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/access"
	"noroshi/analyse"
	"noroshi/analyse/hunt"
	"noroshi/analyse/match"
	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/eventstore/victorialogs"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/observable"
	"noroshi/org"
)

var orgs = []org.Organisation{{ID: "org_a", Tenant: 1}, {ID: "org_b", Tenant: 2}}

func open(t testing.TB) eventstore.Store {
	t.Helper()
	s, err := victorialogs.Open(victorialogs.Config{Dir: t.TempDir(), MemoryMiB: 256, Retention: 30 * 24 * time.Hour}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func ind(t testing.TB, value string) indicator.Indicator {
	t.Helper()
	o, err := observable.Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	return indicator.Indicator{ID: "ind_1", Observable: o, State: indicator.Active, ValidUntil: time.Now().Add(time.Hour)}
}

// past hunts for one indicator.
func past(t interface{ Context() context.Context }, h *hunt.Hunter, s access.Scope, i indicator.Indicator) ([]analyse.Sighting, error) {
	found, err := h.Hunt(t.Context(), s, i)
	return found[i.ID], err
}

// line makes events of the nodes of two organisations, one after the other.
type line struct {
	rows []eventstore.Row
	seq  uint64
	at   time.Time
}

func (l *line) add(o int, node ident.ID, e *event.Event) *event.Event {
	e.Time = l.at.UnixMilli()
	l.at = l.at.Add(time.Second)
	l.seq++
	e.Metadata = event.Metadata{UID: fmt.Sprintf("%s.%d", node, l.seq), Sequence: l.seq, Tenant: orgs[o].ID, Provider: event.TierResolver,
		Reporter: event.Reporter{UID: node, Hostname: "host-of-" + string(node)}}
	e.Finish()
	e.FindObservables()
	l.rows = append(l.rows, eventstore.Row{Tenant: orgs[o].Tenant, Event: e})
	return e
}

func dns(name string, answers ...string) *event.Event {
	e := &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, Query: &event.DNSQueryInfo{Hostname: name, Type: "A"}}
	for _, a := range answers {
		e.Answers = append(e.Answers, event.DNSAnswer{RData: a})
	}
	return e
}

func conn(src, dst, host, cmd string) *event.Event {
	e := &event.Event{ClassUID: event.NetworkActivity, ActivityID: event.NetworkOpen,
		SrcEndpoint: &event.Endpoint{IP: src}, DstEndpoint: &event.Endpoint{IP: dst, Hostname: host, Port: 443}}
	if cmd != "" {
		e.Actor = &event.Actor{Process: &event.Process{PID: 1, CmdLine: cmd}}
	}
	return e
}

func launch(cmd, hash, parent string) *event.Event {
	e := &event.Event{ClassUID: event.ProcessActivity, ActivityID: event.ProcessLaunch, Process: &event.Process{PID: 7, CmdLine: cmd}}
	if hash != "" {
		e.Process.File = &event.File{Hashes: []event.Fingerprint{{AlgorithmID: map[int]int{32: 1, 40: 2, 64: 3}[len(hash)], Value: hash}}}
	}
	if parent != "" {
		e.Actor = &event.Actor{Process: &event.Process{PID: 1, CmdLine: parent}}
	}
	return e
}

func store(t testing.TB, s eventstore.Store, l *line) {
	t.Helper()
	if err := s.Append(t.Context(), l.rows); err != nil {
		t.Fatal(err)
	}
}

func TestHuntTellsWhoSawItSinceWhen(t *testing.T) {
	s := open(t)
	start := time.Now().Add(-3 * 24 * time.Hour).Truncate(time.Millisecond)
	l := &line{at: start}
	for range 3 {
		l.add(0, "nod_1", dns("www.evil.test", "192.0.2.1"))
		l.add(0, "nod_1", dns("good.test"))
	}
	for range 8 {
		e := l.add(0, "nod_2", dns("evil.test"))
		e.Device = &event.Device{Hostname: "printer"}
	}
	l.add(1, "nod_3", conn("10.0.0.1", "192.0.2.1", "evil.test", ""))
	store(t, s, l)
	h := hunt.New(s)
	got, err := past(t, h, access.Hub(org.NewTree(orgs), "hunt"), ind(t, "evil.test"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	a := got[0]
	if a.Org != "org_a" || a.Node != "nod_1" || a.Device != "host-of-nod_1" || !a.First.Equal(start) || !a.Last.Equal(start.Add(4*time.Second)) || fmt.Sprint(a.Seqs) != "[1 3 5]" {
		t.Errorf("the first is %+v", a)
	}
	ev := a.Evidence[0]
	if len(a.Evidence) != 3 || ev.EventUID != "nod_1.1" || ev.Tier != "resolver" || ev.Summary != "dns A www.evil.test → 192.0.2.1" || !ev.Time.Equal(start) ||
		ev.Fields["answers.rdata"] != "192.0.2.1" || ev.Fields["class"] != "" || fmt.Sprint(ev.Matched) != "[query.hostname: www.evil.test]" {
		t.Errorf("its evidence is %+v", a.Evidence)
	}
	if b := got[1]; b.Device != "printer" || len(b.Seqs) != 8 || len(b.Evidence) != finding.MaxEvidence || b.Evidence[0].EventUID != "nod_2.7" {
		t.Errorf("the second is %+v", b)
	}
	if c := got[2]; c.Org != "org_b" || c.Node != "nod_3" || c.Evidence[0].Matched[0] != "dst_endpoint.hostname: evil.test" {
		t.Errorf("the third is %+v", c)
	}
	// Who may not see an organisation does not learn of its sightings.
	got, err = past(t, h, access.Hub(org.NewTree(orgs[:1]), "hunt"), ind(t, "evil.test"))
	if err != nil || len(got) != 2 {
		t.Errorf("org_a sees %+v, %v", got, err)
	}
	if got, err = past(t, h, access.Scope{}, ind(t, "evil.test")); err != nil || got != nil {
		t.Errorf("nobody sees %+v, %v", got, err)
	}
	if _, err := past(t, h, access.Hub(org.NewTree(orgs), "hunt"), indicator.Indicator{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("nothing was looked for: %v", err)
	}
}

const (
	md5  = "d41d8cd98f00b204e9800998ecf8427e"
	sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
	sha2 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var (
	indicators = []string{"evil.test", "www.evil.test", "xn--wgv71a119e.jp", "192.0.2.1", "2001:db8::1", "192.0.2.0/24", "192.0.0.0/15", "64.0.0.0/3", "2001:db8::/32", "2001:db8:0:1::/64",
		"2000::/3", "http://evil.test/a", "http://192.0.2.1:8080/", "http://xn--wgv71a119e.jp/", md5, sha1, sha2}
	names = []string{"evil.test", "EVIL.test", "www.evil.test", "a.www.evil.test", "notevil.test", "x-evil.test", "evil.test.example.org", "evil-test", "test", "good.example", "xn--wgv71a119e.jp"}
	addrs = []string{"192.0.2.1", "192.0.2.10", "192.1.255.255", "192.2.0.0", "::ffff:192.0.2.1", "2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:db8:0:1::9", "2001:db8::1:0:0:0:9", "2001:db9::", "::1", "65.1.2.3", "not-an-address"}
	texts = []string{"10 www.evil.test.", "v=spf1 include:evil.test ip4:192.0.2.0/24", "EVIL.TEST", md5}
	words = []string{"curl", "http://evil.test/a", "http://EVIL.test:80/a", "http://evil.test/b", "HTTP://user@www.evil.test/a#x", "http://%65vil.test/a", "http://日本語.jp/", "http://192.0.2.1:8080",
		"http://[2001:DB8::1]/x", "http://[::ffff:192.0.2.1]/", "192.0.2.1", "192.0.2.1:80", "1.192.0.2.1", "192.0.2.100", "(evil.test)", "evil.test.", "./evil.test", "x-evil.test", "a.b.evil.test,c",
		md5, strings.ToUpper(md5), sha1, sha2, "sum=" + sha2, "x" + md5, "-e", "ｅｖｉｌ.test", "http://ｅｖｉｌ.test/a", "EVIL.TEST"}
)

// TestHuntAgreesWithTheLiveMatcher holds the look back, for many indicators at
// once and for each alone, to what the live matcher says of the very events that
// were stored.
func TestHuntAgreesWithTheLiveMatcher(t *testing.T) {
	s := open(t)
	h := hunt.New(s)
	all := access.Hub(org.NewTree(orgs), "hunt")
	stored := &line{at: time.Now().Add(-24 * time.Hour)}
	rapid.Check(t, func(r *rapid.T) {
		l := &line{at: stored.at, seq: stored.seq}
		for range rapid.IntRange(1, 30).Draw(r, "events") {
			l.add(rapid.IntRange(0, 1).Draw(r, "org"), ident.ID(rapid.SampledFrom([]string{"nod_1", "nod_2"}).Draw(r, "node")), anything(r))
			if rapid.IntRange(0, 4).Draw(r, "late") == 0 { // It arrives now, but was long ago.
				e := l.rows[len(l.rows)-1].Event
				e.Time -= rapid.Int64Range(0, 12*time.Hour.Milliseconds()).Draw(r, "by")
			}
		}
		store(t, s, l)
		stored.rows, stored.at, stored.seq = append(stored.rows, l.rows...), l.at, l.seq
		var list []indicator.Indicator
		for n, value := range rapid.SliceOfNDistinct(rapid.SampledFrom(indicators), 1, 6, rapid.ID).Draw(r, "indicators") {
			i := ind(t, value)
			i.ID = ident.ID(fmt.Sprintf("ind_%d", n))
			list = append(list, i)
		}
		found, err := h.Hunt(t.Context(), all, list...)
		if err != nil {
			r.Fatal(err)
		}
		for _, i := range list {
			agrees(r, i, found[i.ID], stored)
		}
		one := rapid.SampledFrom(list).Draw(r, "alone")
		if alone, err := past(t, h, all, one); err != nil || !reflect.DeepEqual(alone, found[one.ID]) {
			r.Errorf("%s alone was seen in\n %+v, %v, among others in\n %+v", one.Observable.Value, alone, err, found[one.ID])
		}
	})
}

func anything(r *rapid.T) *event.Event {
	name, addr, word := rapid.SampledFrom(names), rapid.SampledFrom(addrs), rapid.SampledFrom(append(words, ""))
	switch rapid.IntRange(0, 2).Draw(r, "class") {
	case 0:
		return dns(name.Draw(r, "name"), rapid.SliceOfN(rapid.OneOf(name, addr, rapid.SampledFrom(texts)), 0, 3).Draw(r, "answers")...)
	case 1:
		return conn(addr.Draw(r, "src"), addr.Draw(r, "dst"), name.Draw(r, "host"), word.Draw(r, "actor"))
	}
	cmd := strings.Join(rapid.SliceOfN(word, 0, 4).Draw(r, "words"), " ")
	return launch(cmd, rapid.SampledFrom([]string{"", md5, strings.ToUpper(sha1), sha2}).Draw(r, "hash"), word.Draw(r, "parent"))
}

// agrees compares what was found of an indicator with a look at each event.
func agrees(r *rapid.T, i indicator.Indicator, found []analyse.Sighting, stored *line) {
	live := match.New()
	live.Put(i)
	type seen struct {
		seqs        []uint64
		first, last int64
	}
	want, got := map[string]seen{}, map[string]seen{}
	for _, row := range stored.rows {
		if e := row.Event; len(live.Match(e)) > 0 {
			at := string(e.Metadata.Tenant + " " + e.Metadata.Reporter.UID)
			x, ok := want[at]
			if !ok {
				x.first = e.Time
			}
			want[at] = seen{append(x.seqs, e.Metadata.Sequence), min(x.first, e.Time), max(x.last, e.Time)}
		}
	}
	for _, x := range found {
		got[string(x.Org+" "+x.Node)] = seen{slices.Sorted(slices.Values(x.Seqs)), x.First.UnixMilli(), x.Last.UnixMilli()}
		if len(x.Evidence) != min(len(x.Seqs), finding.MaxEvidence) || !x.Evidence[0].Time.Equal(x.First) {
			r.Errorf("%s: of %d sightings since %s, %d events are evidence", i.Observable.Value, len(x.Seqs), x.First, len(x.Evidence))
		}
	}
	if fmt.Sprint(got) == fmt.Sprint(want) {
		return
	}
	r.Errorf("%s was seen in\n %v, live in\n %v", i.Observable.Value, got, want)
	for _, row := range stored.rows {
		m := row.Event.Metadata
		at := string(m.Tenant + " " + m.Reporter.UID)
		if slices.Contains(got[at].seqs, m.Sequence) != slices.Contains(want[at].seqs, m.Sequence) {
			r.Errorf("they differ on %s", row.Event.Summary())
		}
	}
}

// TestHuntCountsMoreThanAnAnswerHolds has an indicator that is in more events
// than one answer returns.
func TestHuntCountsMoreThanAnAnswerHolds(t *testing.T) {
	s := open(t)
	l := &line{at: time.Now().Add(-10 * 24 * time.Hour)}
	const many = 2*eventstore.MaxLimit + 500
	for range many {
		l.add(0, "nod_1", dns("evil.test"))
	}
	store(t, s, l)
	got, err := past(t, hunt.New(s), access.Hub(org.NewTree(orgs), "hunt"), ind(t, "evil.test"))
	if err != nil || len(got) != 1 || len(got[0].Seqs) != many || got[0].Seqs[0] != 1 || !slices.IsSorted(got[0].Seqs) || !got[0].First.Before(got[0].Last) {
		t.Fatalf("%d sightings, %v", len(got), err)
	}
}

// FuzzHunt looks for whatever reads as an observable: each must be a query that
// the store takes, or some name could not be looked for.
func FuzzHunt(f *testing.F) {
	s := open(f)
	l := &line{at: time.Now().Add(-time.Hour)}
	l.add(0, "nod_1", dns("evil.test", "192.0.2.1"))
	store(f, s, l)
	h, all := hunt.New(s), access.Hub(org.NewTree(orgs), "hunt")
	for _, v := range append(indicators, strings.Repeat("re.", 60)+"test", strings.Repeat("a_regexp.", 20)+"test", "0.0.0.0/0", "::/0", "http://a.test/"+strings.Repeat("~[", 500),
		"a"+strings.Repeat(".a", 100)+".test", "*.evil.test", `http://evil.test/"|)(`) {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := observable.Parse(text)
		if err != nil {
			return
		}
		found, err := past(t, h, all, indicator.Indicator{ID: "ind_1", Observable: o})
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		live := match.New()
		live.Put(indicator.Indicator{ID: "ind_1", Observable: o, State: indicator.Active, ValidUntil: time.Now().Add(time.Hour)})
		if seen := len(live.Match(l.rows[0].Event)) > 0; seen != (len(found) > 0) {
			t.Errorf("%+v: seen live %v, found %v", o, seen, found)
		}
	})
}
