package iot

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"noroshi/fault"
	"noroshi/service"
)

// Scan is what one run of the scanner found.
type Scan struct {
	Hosts [][]service.Port // the ports of each address, by address and port
	Run   string           // "" when the run's last line is not there
	Done  bool             // it ended as it should: what is not here did not answer
}

// JST is the time of Japan, whose days and months surveys are counted by. It has
// no summer time, so a system without a list of zones has it, too.
var JST = time.FixedZone("JST", 9*60*60)

// The limits of a scan that is read.
const (
	maxLine  = 256 << 10
	maxPorts = 2_000_000
)

// ReadScan reads the lines of one run. A line that is none is refused with its
// number.
func ReadScan(r io.Reader) (Scan, error) {
	const op = "iot.read_scan"
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	var ports []service.Port
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
			s.Run, s.Done = service.Text(end.Run), end.Summary.Ended == "done"
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

// readLine keeps of a port what is judged, so that there is room for all of a
// long scan.
func readLine(b []byte) (service.Port, *end, error) {
	var x struct {
		service.Port
		end
	}
	if err := json.Unmarshal(b, &x); err != nil {
		return x.Port, nil, fault.As(fault.Invalid, "iot.line", err, "%v", err)
	}
	p := x.Port
	if !p.Address.IsValid() && x.Run != "" {
		return p, &x.end, nil
	}
	p.Answer = service.Answer{Service: p.Service, Evidence: p.Evidence}
	if x.HTTP != nil {
		p.HTTP = &service.HTTP{Login: x.HTTP.Login}
	}
	return p, nil, p.Clean()
}

func byHost(ports []service.Port) (hosts [][]service.Port) {
	slices.SortStableFunc(ports, func(a, b service.Port) int {
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

// short is at most so many characters of a text.
func short(s string, max int) string {
	r := []rune(service.Text(s))
	return strings.TrimSpace(string(r[:min(len(r), max)]))
}
