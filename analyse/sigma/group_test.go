package sigma

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"noroshi/content"
	"noroshi/event"
)

// plainly evaluates every rule, as Match did before it looked for texts first.
func (s *Set) plainly(e *event.Event, category string) (hits []Hit) {
	for _, r := range s.byCategory[category].rules {
		if p := productOf(e); r.Logsource.Product != "" && p != "" && r.Logsource.Product != p {
			continue
		}
		if matched, ok := r.Match(FromEvent(e)); ok {
			hits = append(hits, Hit{r, matched})
		}
	}
	return hits
}

// words are texts that the rules look for, so that many events are close to a
// match, and some do.
func words(s *Set, category string) (out []string) {
	for _, r := range s.byCategory[category].rules {
		for _, x := range r.searches {
			out = append(out, literals(x)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func literals(s search) (out []string) {
	switch s := s.(type) {
	case anyOf:
		for _, x := range s {
			out = append(out, literals(x)...)
		}
	case allOf:
		var b strings.Builder
		for _, x := range s {
			l := literals(x)
			out = append(out, l...)
			if len(l) > 0 {
				b.WriteString(l[0])
			}
		}
		out = append(out, b.String())
	case stringTest:
		out = append(out, s.literal)
	}
	return out
}

func publicRules(t testing.TB) *Set {
	dir := filepath.Join("..", "..", "..", "shared", "data", "detection", "sigmahq", "rules")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("SigmaHQ's rules are not there:", err)
	}
	s := &Set{}
	if _, err := s.LoadFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return s
}

func ownRules(t testing.TB) *Set {
	s := &Set{}
	if refused, err := s.LoadFS(content.Rules()); err != nil || len(refused) > 0 {
		t.Fatal(err, refused)
	}
	return s
}

// made is an event of which the texts are those that pick gives.
func made(category string, pick func() string, os int) *event.Event {
	e := &event.Event{Device: &event.Device{OS: &event.OS{TypeID: os}}}
	p := &event.Process{PID: 1, CmdLine: pick() + " " + pick() + pick(), File: &event.File{Path: pick()}, ParentProcess: &event.Process{CmdLine: pick(), File: &event.File{Path: pick()}}}
	switch category {
	case "process_creation":
		e.ClassUID, e.ActivityID, e.Process = event.ProcessActivity, event.ProcessLaunch, p
		e.Unmapped = map[string]string{"OriginalFileName": pick(), "Description": pick()}
	case "network_connection":
		e.ClassUID, e.ActivityID, e.Actor = event.NetworkActivity, event.NetworkOpen, &event.Actor{Process: p}
		e.DstEndpoint, e.ConnectionInfo = &event.Endpoint{IP: "192.0.2.1", Hostname: pick(), Port: 443}, &event.ConnectionInfo{DirectionID: 2}
	default:
		e.ClassUID, e.Query = event.DNSActivity, &event.DNSQueryInfo{Hostname: pick(), Type: "TXT"}
		e.Answers = []event.DNSAnswer{{RData: pick()}, {RData: pick()}}
	}
	return e
}

// TestMatchIsThatOfEveryRule compares with the plain evaluation of all rules, on
// events made of what the rules look for.
func TestMatchIsThatOfEveryRule(t *testing.T) {
	for name, s := range map[string]*Set{"own": ownRules(t), "public": publicRules(t)} {
		for category := range s.byCategory {
			all, rnd, found := words(s, category), rand.New(rand.NewPCG(1, 2)), 0
			pick := func() string {
				w := all[rnd.IntN(len(all))]
				if rnd.IntN(2) == 0 {
					w = strings.ToUpper(w)
				}
				return w[:len(w)-rnd.IntN(2)*min(len(w), 1)]
			}
			for range 400 {
				e := made(category, pick, []int{0, 100, 200}[rnd.IntN(3)])
				got, want := s.Match(e), s.plainly(e, category)
				if found += len(want); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("%s: %s matches %v, not %v", name, e.Summary(), got, want)
				}
			}
			if found < 20 {
				t.Errorf("%s, %s: only %d matches were compared", name, category, found)
			}
		}
	}
}

// TestEveryConditionKeepsItsNeeds tries conditions of all forms.
func TestEveryConditionKeepsItsNeeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]string{"abc", "ABD", "a?c", "*bcd", "ab", "bcd*abc", "狼煙だ", "*"})
		field := rapid.SampledFrom([]string{"A", "B", "C|contains", "A|endswith", "B|startswith|cased", "C|contains|cased", "A|re", "B|contains|all"})
		var b strings.Builder
		for _, s := range []string{"s1", "s2", "t"} {
			fmt.Fprintf(&b, "  %s:\n", s)
			for _, f := range rapid.SliceOfNDistinct(field, 1, 2, rapid.ID).Draw(t, s) {
				v := rapid.SliceOfN(value, 1, 2).Draw(t, f)
				if strings.HasSuffix(f, "re") {
					v = []string{"b.d"}
				}
				fmt.Fprintf(&b, "    %s: ['%s']\n", f, strings.Join(v, "', '"))
			}
		}
		condition := rapid.SampledFrom([]string{"s1", "s1 and t", "s1 or t", "not s1", "s1 and not t", "1 of s*", "all of s*", "2 of them", "not (s1 or s2) and t", "(s1 or s2) and t"}).Draw(t, "condition")
		r, err := Parse("t.yml", []byte("title: t\nid: '1'\nlogsource: {category: dns}\ndetection:\n"+b.String()+"  condition: "+condition))
		if err != nil {
			t.Fatal(err)
		}
		text := rapid.SampledFrom([]string{"", "abc", "ABC", "xbcd", "abcd", "bcdxabc", "ab", "狼煙だ", "abd"})
		e := &event.Event{ClassUID: event.DNSActivity, Unmapped: map[string]string{"A": text.Draw(t, "A"), "B": text.Draw(t, "B"), "C": text.Draw(t, "C")}}
		s := &Set{}
		if err := s.Add(r); err != nil {
			t.Fatal(err)
		}
		if got, want := s.Match(e), s.plainly(e, "dns_query"); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%v matches %v, not %v", e.Unmapped, got, want)
		}
	})
}

func TestFinderFindsWhatContainsFinds(t *testing.T) {
	part := rapid.SampledFrom([]string{"a", "b", "ab", "ba", "狼", "\xff", "abc"})
	rapid.Check(t, func(t *rapid.T) {
		texts := map[string][]int{}
		var list []string
		for i := range rapid.IntRange(1, 6).Draw(t, "texts") {
			text := strings.Join(rapid.SliceOfN(part, 3, 6).Draw(t, "text"), "")
			texts[text] = append(texts[text], i)
			list = append(list, text)
		}
		s := strings.Join(rapid.SliceOfN(part, 0, 20).Draw(t, "value"), "")
		got := make([]bool, len(list))
		newFinder(texts).find(s, func(rules []int) {
			for _, r := range rules {
				got[r] = true
			}
		})
		for i, text := range list {
			if got[i] != strings.Contains(s, text) {
				t.Fatalf("%q in %q: %t", text, s, got[i])
			}
		}
	})
}

// BenchmarkMatch is an event that nothing finds, under our own rules and under
// all that the public has.
func BenchmarkMatch(b *testing.B) {
	cmd := "/usr/bin/python3 /opt/app/worker.py --queue mail --id 17 --config /etc/app/worker.yml --log-level info"
	e := &event.Event{ClassUID: event.ProcessActivity, ActivityID: event.ProcessLaunch, Device: &event.Device{OS: &event.OS{TypeID: 200}},
		Process:  &event.Process{PID: 7, CmdLine: cmd, File: &event.File{Path: "/usr/bin/python3"}, ParentProcess: &event.Process{CmdLine: "/usr/sbin/cron -f", File: &event.File{Path: "/usr/sbin/cron"}}},
		Unmapped: map[string]string{"Image": "/usr/bin/python3", "CommandLine": cmd, "ParentImage": "/usr/sbin/cron", "ParentCommandLine": "/usr/sbin/cron -f", "User": "root"}}
	for name, s := range map[string]*Set{"own": ownRules(b), "public": publicRules(b)} {
		for how, match := range map[string]func() []Hit{"": func() []Hit { return s.Match(e) }, "-plainly": func() []Hit { return s.plainly(e, "process_creation") }} {
			b.Run(name+how, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					match()
				}
			})
		}
	}
}
