package sigma

import (
	"io/fs"
	"path"
	"strings"

	"noroshi/event"
	"noroshi/fault"
)

// Refused is a rule that was not taken, with the reason.
type Refused struct {
	File string
	Err  error
}

// Set is the rules by what they are about. Rules are added before the first
// event is matched.
type Set struct {
	byCategory map[string]*group
	ids        map[string]string // id → file
}

// Len is how many rules there are.
func (s *Set) Len() int { return len(s.ids) }

// Add puts a rule in its place. A rule about something that this platform does
// not sense is refused, so that nobody believes it is at work.
func (s *Set) Add(r *Rule) error {
	if s.byCategory == nil {
		s.byCategory, s.ids = map[string]*group{}, map[string]string{}
	}
	if other, ok := s.ids[r.ID]; ok {
		return fault.New(fault.Conflict, "sigma.add", "the id %s is that of the rule in %s as well", r.ID, other).At("%s", r.File)
	}
	category := r.Logsource.Category
	if category == "dns" {
		category = "dns_query" // The resolver's log serves both.
	}
	switch category {
	case "process_creation", "network_connection", "dns_query":
	default:
		return fault.New(fault.NotFound, "sigma.add", "events of the logsource %q are not sensed here", strings.TrimPrefix(path.Join("/", r.Logsource.Product, r.Logsource.Category, r.Logsource.Service), "/")).At("%s", r.File)
	}
	if s.byCategory[category] == nil {
		s.byCategory[category] = &group{}
	}
	s.byCategory[category].rules = append(s.byCategory[category].rules, r)
	s.ids[r.ID] = r.File
	return nil
}

// LoadFS reads every rule below a folder. Files that are no rules, broken rules
// and rules about other sources come back with their reasons.
func (s *Set) LoadFS(dir fs.FS) ([]Refused, error) {
	var refused []Refused
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || (path.Ext(name) != ".yml" && path.Ext(name) != ".yaml") {
			return err
		}
		if info, err := d.Info(); err == nil && info.Size() > MaxFile {
			refused = append(refused, Refused{name, fault.New(fault.TooLarge, "sigma.load", "the file is larger than %d bytes", MaxFile).At("%s", name)})
			return nil
		}
		b, err := fs.ReadFile(dir, name)
		if err != nil {
			return err
		}
		rules, bad := ParseAll(name, b)
		refused = append(refused, bad...)
		for _, r := range rules {
			if err := s.Add(r); err != nil {
				refused = append(refused, Refused{name, err})
			}
		}
		return nil
	})
	return refused, fault.Wrap("sigma.load", err)
}

// Hit is one rule that matched an event.
type Hit struct {
	Rule    *Rule
	Matched []string
}

// Match evaluates all rules that are about an event.
func (s *Set) Match(e *event.Event) []Hit {
	var category string
	switch {
	case e.ClassUID == event.ProcessActivity && e.ActivityID == event.ProcessLaunch:
		category = "process_creation"
	case e.ClassUID == event.NetworkActivity && e.ActivityID == event.NetworkOpen:
		category = "network_connection"
	case e.ClassUID == event.DNSActivity:
		category = "dns_query"
	default:
		return nil
	}
	g := s.byCategory[category]
	if g == nil {
		return nil
	}
	product := productOf(e)
	f := FromEvent(e)
	var hits []Hit
	for i := range g.candidates(f) {
		r := g.rules[i]
		// An event whose system is not known, such as a resolver's, is shown
		// to the rules of all products.
		if r.Logsource.Product != "" && product != "" && r.Logsource.Product != product {
			continue
		}
		if matched, ok := r.Match(f); ok {
			hits = append(hits, Hit{r, matched})
		}
	}
	return hits
}

func productOf(e *event.Event) string {
	if e.Device == nil || e.Device.OS == nil {
		return ""
	}
	switch e.Device.OS.TypeID {
	case 100:
		return "windows"
	case 200:
		return "linux"
	case 300:
		return "macos"
	}
	return ""
}
