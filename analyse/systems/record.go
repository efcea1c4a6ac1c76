package systems

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"noroshi/fault"
	"noroshi/ident"
)

// The states of a system.
const (
	Active  = "active"
	Retired = "retired" // it is not operated any more; its bills are kept
)

// System is one system of an organisation.
type System struct {
	ID  ident.ID `json:"id"`
	Org ident.ID `json:"org"`
	Facts
	State   string    `json:"state"`
	InForce *Bill     `json:"in_force,omitempty"` // the newest bill of materials
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"`
	By      string    `json:"by"` // who changed it last
	Version int64     `json:"version"`
}

// Facts is what people say of a system. The name is one for ever: it is what
// actions about the system are known by.
type Facts struct {
	Name       string `json:"name" maxLength:"200"`
	Owner      string `json:"owner" maxLength:"200" doc:"the person or team that answers for it"`
	Importance string `json:"importance,omitempty" enum:"low,medium,high" doc:"how much depends on it"`
	// SeenAs is how the system is reached from outside; none means that it is not.
	SeenAs []string `json:"seen_as,omitempty" maxItems:"50" doc:"names and addresses by which it is reached from the Internet"`
}

// Bill is one bill of materials of a system. Numbers count from 1.
type Bill struct {
	Number     int       `json:"number"`
	Version    string    `json:"version"`
	SHA256     string    `json:"sha256"`
	Format     string    `json:"format"`
	Components int       `json:"components"`
	Quality    int       `json:"quality"` // of 100, by the NTIA's minimum elements
	Bytes      int       `json:"bytes"`
	At         time.Time `json:"at"`
	By         string    `json:"by"`
}

// Bounds of what an organisation may keep.
const (
	MaxSystems  = 20_000 // of one organisation
	MaxBills    = 500    // of one system; the oldest goes
	MaxDocument = 64 << 20
	maxSeenAs   = 50
	maxName     = 200 // bytes
)

// check refuses what is no description of a system.
func (f *Facts) check() error {
	bad := func(place, format string, args ...any) error {
		return fault.New(fault.Invalid, "systems.check", format, args...).At("%s", place)
	}
	f.Name, f.Owner = strings.TrimSpace(f.Name), strings.TrimSpace(f.Owner)
	switch {
	case f.Name == "":
		return bad("name", "say what the system is called")
	case !sound(f.Name, maxName):
		return bad("name", "it is longer than %d bytes, or holds what is no text", maxName)
	case !sound(f.Owner, maxName):
		return bad("owner", "it is longer than %d bytes, or holds what is no text", maxName)
	case f.Importance != "" && !slices.Contains([]string{"low", "medium", "high"}, f.Importance):
		return bad("importance", "it is low, medium or high, or left out")
	case len(f.SeenAs) > maxSeenAs:
		return bad("seen_as", "a system is seen by at most %d names and addresses", maxSeenAs)
	}
	for i, s := range f.SeenAs {
		s = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(s), "."))
		if f.SeenAs[i] = s; !hostish(s) {
			return bad("seen_as", "%q is neither an address nor a name", s)
		}
	}
	slices.Sort(f.SeenAs)
	f.SeenAs = slices.Compact(f.SeenAs)
	return nil
}

func sound(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// hostish tells addresses and names of hosts.
func hostish(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r > 0x7f)
		}) {
			return false
		}
	}
	return true
}

func (s *System) search() string {
	return strings.ToLower(strings.Join(append([]string{s.Name, s.Owner}, s.SeenAs...), "\n"))
}
