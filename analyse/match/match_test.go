package match_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/analyse/match"
	"noroshi/event"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/observable"
)

var now = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func ind(t testing.TB, id, value string) indicator.Indicator {
	t.Helper()
	o, err := observable.Parse(value)
	if err != nil {
		t.Fatal(err)
	}
	return indicator.Indicator{ID: ident.ID(id), Observable: o, State: indicator.Active, ValidUntil: now.Add(time.Hour)}
}

func dns(name string, answers ...string) *event.Event {
	e := &event.Event{ClassUID: event.DNSActivity, Time: now.UnixMilli(), Query: &event.DNSQueryInfo{Hostname: name}}
	for _, a := range answers {
		e.Answers = append(e.Answers, event.DNSAnswer{RData: a})
	}
	return e
}

func conn(ip, host string) *event.Event {
	return &event.Event{ClassUID: event.NetworkActivity, Time: now.UnixMilli(), DstEndpoint: &event.Endpoint{IP: ip, Hostname: host}}
}

func launch(cmd, md5 string) *event.Event {
	p := &event.Process{CmdLine: cmd, File: &event.File{Hashes: []event.Fingerprint{{AlgorithmID: 1, Value: md5}}}}
	return &event.Event{ClassUID: event.ProcessActivity, Time: now.UnixMilli(), Process: p}
}

func TestMatch(t *testing.T) {
	const md5 = "d41d8cd98f00b204e9800998ecf8427e"
	for _, c := range []struct {
		indicator string
		event     *event.Event
		field     string // "" for no match
	}{
		{"evil.com", dns("evil.com"), "query.hostname"},
		{"evil.com", dns("A.b.EVIL.com."), "query.hostname"},
		{"evil.com", dns("notevil.com"), ""},
		{"evil.com", dns("evil.com.example.org"), ""},
		{"www.evil.com", dns("evil.com"), ""},
		{"evil.com", dns("good.com", "cdn.evil.com."), "answers.rdata"},
		{"192.0.2.1", dns("good.com", "192.0.2.1"), "answers.rdata"},
		{"192.0.2.0/24", dns("good.com", "192.0.2.9"), "answers.rdata"},
		{"192.0.2.1", conn("::ffff:192.0.2.1", ""), "dst_endpoint.ip"},
		{"192.0.2.0/24", conn("192.0.2.255", ""), "dst_endpoint.ip"},
		{"192.0.2.0/24", conn("192.0.3.0", ""), ""},
		{"2001:db8::/32", conn("2001:db8:1::1", ""), "dst_endpoint.ip"},
		{"evil.com", conn("192.0.2.1", "x.evil.com"), "dst_endpoint.hostname"},
		{md5, launch("true", strings.ToUpper(md5)), "process.file.hashes.md5"},
		{md5, launch("check "+md5, ""), "process.cmd_line"},
		{"http://evil.com/a", launch("curl http://EVIL.com:80/a", ""), "process.cmd_line"},
		{"http://evil.com/a", launch("curl http://evil.com/b", ""), ""},
		{"evil.com", launch("curl http://www.evil.com/b", ""), "process.cmd_line"},
		{"192.0.2.0/24", launch("ping 192.0.2.7", ""), "process.cmd_line"},
	} {
		s := match.New()
		s.Put(ind(t, "ind_1", c.indicator))
		got := ""
		if hits := s.Match(c.event); len(hits) > 0 {
			got = hits[0].Field
		}
		if got != c.field {
			t.Errorf("%s in %s: field %q, want %q", c.indicator, c.event.Summary(), got, c.field)
		}
	}
}

func TestOnlyLiveIndicatorsMatch(t *testing.T) {
	s := match.New()
	i := ind(t, "ind_1", "evil.com")
	s.Put(i)
	late := dns("evil.com")
	late.Time = now.Add(time.Hour).UnixMilli()
	if len(s.Match(late)) != 0 {
		t.Error("an expired indicator matches")
	}
	for _, gone := range []indicator.State{indicator.Revoked, indicator.Expired, indicator.Held} {
		i.State = indicator.Active
		s.Put(i)
		if len(s.Match(dns("evil.com"))) != 1 {
			t.Error("a live indicator does not match")
		}
		i.State = gone
		s.Put(i)
		if len(s.Match(dns("evil.com"))) != 0 || s.Len() != 0 {
			t.Errorf("a %s indicator matches", gone)
		}
	}
	s.Put(ind(t, "ind_2", "a.com"))
	s.Put(ind(t, "ind_3", "a.com"))
	if len(s.Match(dns("a.com"))) != 2 {
		t.Error("two indicators of one name are two")
	}
	s.Remove("ind_2")
	s.Remove("ind_2")
	if hits := s.Match(dns("a.com")); len(hits) != 1 || hits[0].Indicator.ID != "ind_3" {
		t.Errorf("the other indicator is gone as well: %+v", hits)
	}
}

// TestMatchAgreesWithALook at every indicator in turn, over any changes.
func TestMatchAgreesWithALook(t *testing.T) {
	names := []string{"a.com", "b.a.com", "c.b.a.com", "aa.com", "com.br", "x.com.br"}
	addrs := []string{"192.0.2.1", "192.0.2.2", "198.51.100.7", "2001:db8::1", "2001:db8:1::1"}
	ranges := []string{"192.0.2.0/24", "192.0.2.0/31", "192.0.0.0/16", "2001:db8::/32", "2001:db8:1::/48", "0.0.0.0/1"}
	rapid.Check(t, func(rt *rapid.T) {
		s, plain := match.New(), map[ident.ID]indicator.Indicator{}
		for range rapid.IntRange(0, 30).Draw(rt, "changes") {
			id := fmt.Sprintf("ind_%d", rapid.IntRange(0, 9).Draw(rt, "id"))
			if rapid.IntRange(0, 3).Draw(rt, "remove") == 0 {
				s.Remove(ident.ID(id))
				delete(plain, ident.ID(id))
				continue
			}
			i := ind(t, id, rapid.SampledFrom(slices.Concat(names, addrs, ranges)).Draw(rt, "value"))
			i.State = rapid.SampledFrom([]indicator.State{indicator.Active, indicator.Active, indicator.Revoked}).Draw(rt, "state")
			i.ValidUntil = now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(rt, "until")) * time.Minute)
			s.Put(i)
			plain[i.ID] = i
		}
		e := conn(rapid.SampledFrom(addrs).Draw(rt, "ip"), rapid.SampledFrom(append(names, "")).Draw(rt, "host"))
		var got, want []ident.ID
		for _, h := range s.Match(e) {
			got = append(got, h.Indicator.ID)
		}
		for _, i := range plain {
			if i.State == indicator.Active && now.Before(i.ValidUntil) && shows(e.DstEndpoint, i.Observable) {
				want = append(want, i.ID)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("%+v matches %v, not %v of %+v", e.DstEndpoint, got, want, plain)
		}
	})
}

// shows is the slow and obvious way.
func shows(x *event.Endpoint, o observable.Observable) bool {
	switch o.Kind {
	case observable.Domain:
		return x.Hostname == o.Value || strings.HasSuffix(x.Hostname, "."+o.Value)
	case observable.CIDR:
		return netip.MustParsePrefix(o.Value).Contains(netip.MustParseAddr(x.IP))
	}
	return x.IP == o.Value
}

func TestChangesAndMatchesAtOnce(t *testing.T) {
	s := match.New()
	i := ind(t, "ind_1", "192.0.2.0/24")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				s.Put(i)
				s.Match(conn("192.0.2.1", "a.com"))
				s.Remove(i.ID)
			}
		})
	}
	wg.Wait()
}

func BenchmarkMatch(b *testing.B) {
	s := match.New()
	for n := range 100_000 {
		s.Put(ind(b, fmt.Sprintf("ind_%d", n), fmt.Sprintf("h%d.example%d.com", n, n%997)))
	}
	for name, e := range map[string]*event.Event{"dns": dns("www.a.b.example.org", "192.0.2.1"), "connection": conn("192.0.2.1", ""),
		"process": launch("/usr/bin/python3 /opt/app/run.py --config /etc/app/config.yml --listen 127.0.0.1:8080", "")} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s.Match(e)
			}
		})
	}
}
