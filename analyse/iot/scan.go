package iot

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"noroshi/action"
	"noroshi/fault"
)

// Port is one open port as the scanner prints it (docs/surface.md), as far as it
// is judged here.
type Port struct {
	Address   netip.Addr        `json:"address"`
	Port      uint16            `json:"port"`
	Transport string            `json:"transport"`
	FirstSeen time.Time         `json:"first_seen"`
	Service   string            `json:"service"`
	HTTP      *Page             `json:"http"`
	Evidence  map[string]string `json:"evidence"`
}

// Page is what is judged of a page.
type Page struct {
	Login bool `json:"login"` // it has a field for a password
}

// Place is where on its address it is.
func (p Port) Place() string { return action.PortPlace(p.Transport, p.Port) }

// Scan is what one run of the scanner found.
type Scan struct {
	Hosts [][]Port // the ports of each address, by address and port
	Run   string   // "" when the run's last line is not there
	Done  bool     // it ended as it should: what is not here did not answer
}

// JST is the time of Japan, whose days and months surveys are counted by. It has
// no summer time, so a system without a list of zones has it, too.
var JST = time.FixedZone("JST", 9*60*60)

// The limits of a scan that is read.
const (
	maxLine     = 256 << 10
	maxPorts    = 2_000_000
	maxText     = 512 // runes of one text
	maxEvidence = 64  // texts of one port
)

// ReadScan reads the lines of one run. A line that is none is refused with its
// number.
func ReadScan(r io.Reader) (Scan, error) {
	const op = "iot.read_scan"
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	var ports []Port
	var s Scan
	n := 0
	for lines.Scan() {
		n++
		if len(lines.Bytes()) == 0 {
			continue
		}
		p, end, err := readLine(lines.Bytes())
		switch {
		case err != nil:
			return s, fault.As(fault.Invalid, op, err, "this is no line of a scan: %s", fault.PublicOf(err)).At("line %d", n)
		case end != nil:
			s.Run, s.Done = clean(end.Run), end.Summary.Ended == "done"
			continue
		case len(ports) == maxPorts:
			return s, fault.New(fault.TooLarge, op, "more than %d open ports are read in parts", maxPorts).At("line %d", n)
		}
		ports = append(ports, p)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return s, fault.New(fault.TooLarge, op, "the line is over %d bytes", maxLine).At("line %d", n+1)
	} else if err != nil {
		return s, fault.As(fault.Unavailable, op, err, "the scan cannot be read: %v", err)
	}
	s.Hosts = byHost(ports)
	return s, nil
}

// end is the last line of a run.
type end struct {
	Run     string `json:"run"`
	Summary struct {
		Ended string `json:"ended"`
	} `json:"summary"`
}

func readLine(b []byte) (Port, *end, error) {
	var x struct {
		Port
		end
	}
	if err := json.Unmarshal(b, &x); err != nil {
		return Port{}, nil, fault.As(fault.Invalid, "iot.line", err, "%v", err)
	}
	p := x.Port
	if !p.Address.IsValid() && x.Run != "" {
		return p, &x.end, nil
	}
	if !p.Address.IsValid() || p.Address.Zone() != "" || p.Port == 0 || p.Transport != "tcp" && p.Transport != "udp" {
		return p, nil, fault.New(fault.Invalid, "iot.line", "it has no address, port or transport (tcp, udp)")
	}
	p, err := p.Clean()
	return p, nil, err
}

// Clean is the port fit to be judged: what it said is bounded and printable.
func (p Port) Clean() (Port, error) {
	if len(p.Evidence) > maxEvidence {
		return p, fault.New(fault.TooLarge, "iot.line", "%d texts of one port are more than %d", len(p.Evidence), maxEvidence)
	}
	said := make(map[string]string, len(p.Evidence))
	for k, v := range p.Evidence {
		said[k] = clean(v)
	}
	p.Address, p.Service, p.Evidence = p.Address.Unmap(), clean(p.Service), said
	return p, nil
}

func byHost(ports []Port) (hosts [][]Port) {
	slices.SortStableFunc(ports, func(a, b Port) int {
		if c := a.Address.Compare(b.Address); c != 0 {
			return c
		}
		if a.Port != b.Port {
			return int(a.Port) - int(b.Port)
		}
		return strings.Compare(a.Transport, b.Transport)
	})
	for i, p := range ports {
		if i == 0 || ports[i-1].Address != p.Address {
			hosts = append(hosts, nil)
		}
		hosts[len(hosts)-1] = append(hosts[len(hosts)-1], p)
	}
	return hosts
}

// clean makes a text of a hostile device fit to be kept and shown: one bounded
// line, printable, in its own order. The scanner does so, too; a file may come
// from elsewhere.
func clean(s string) string {
	out := make([]rune, 0, min(len(s), maxText))
	for _, r := range s {
		if len(out) == maxText {
			break
		}
		switch {
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x2069, r == 0xfeff:
			r = ' '
		}
		out = append(out, r)
	}
	return strings.TrimSpace(string(out))
}

// short is at most so many characters of a text.
func short(s string, max int) string {
	r := []rune(clean(s))
	return strings.TrimSpace(string(r[:min(len(r), max)]))
}
