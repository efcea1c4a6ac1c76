package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"noroshi/bench/kit"
)

const (
	ourAddress   = "10.78.0.1"
	theirAddress = "10.78.0.2"
)

// wire is two namespaces and the pair of virtual Ethernet ends between them. The
// far one drops every probe as soon as it has been counted and shown to who taps
// the link, so that as little as possible of what a probe costs is the target's.
type wire struct {
	here, there string // names of the namespaces
	router      string // hardware address of the far end
	dir         string
	helpers     []*helper
}

// helper is this program again, at work at the far end until it is ended.
type helper struct {
	cmd  *exec.Cmd
	in   io.Closer
	out  io.Reader
	said bytes.Buffer
}

// helper starts one and waits until it is at work.
func (w *wire) helper(role string) (*helper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &helper{cmd: exec.Command("ip", "netns", "exec", w.there, self, role, "eth0")}
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if h.out, err = h.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	h.cmd.Stderr = &h.said
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(h.out, make([]byte, len(listening))); err != nil {
		return nil, errors.Join(h.cmd.Wait(), errors.New(h.said.String()))
	}
	w.helpers = append(w.helpers, h)
	return h, nil
}

// end ends it, and returns what it said at last.
func (h *helper) end() ([]byte, error) {
	_ = h.in.Close() // That is the word.
	said, err := io.ReadAll(h.out)
	return bytes.TrimSpace(said), errors.Join(err, h.cmd.Wait())
}

func newWire() (*wire, error) {
	dir, err := os.MkdirTemp("", "noroshi-bench-scan-")
	if err != nil {
		return nil, err
	}
	p := fmt.Sprintf("noroshi%d-", os.Getpid())
	w := &wire{here: p + "here", there: p + "there", dir: dir}
	for _, c := range []string{
		"netns add " + w.here,
		"netns add " + w.there,
		"link add eth0 netns " + w.here + " type veth peer name eth0 netns " + w.there,
		"-n " + w.here + " addr add " + ourAddress + "/24 dev eth0",
		"-n " + w.there + " addr add " + theirAddress + "/24 dev eth0",
		"-n " + w.here + " link set eth0 up",
		"-n " + w.there + " link set eth0 up",
		"-n " + w.here + " route add 10.128.0.0/9 via " + theirAddress,
	} {
		if out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			w.remove()
			return nil, fmt.Errorf("ip %s: %w: %s", c, err, out)
		}
	}
	if _, err := w.helper("-sink"); err != nil {
		w.remove()
		return nil, err
	}
	far, err := w.far()
	w.router = far.Address
	return w, err
}

// remove takes the namespaces away, and with them the link.
func (w *wire) remove() {
	for _, h := range w.helpers {
		_, _ = h.end() // What matters of it was said before.
	}
	_ = exec.Command("ip", "netns", "del", w.here).Run() // It may not have been made.
	_ = exec.Command("ip", "netns", "del", w.there).Run()
	_ = os.RemoveAll(w.dir)
}

type farEnd struct {
	Address string `json:"address"`
	Stats   struct {
		RX struct {
			Packets int64 `json:"packets"`
		} `json:"rx"`
	} `json:"stats64"`
}

// farEnd is the far end, as the kernel counts it.
func (w *wire) far() (farEnd, error) {
	out, err := exec.Command("ip", "-n", w.there, "-j", "-s", "link", "show", "eth0").Output()
	if err != nil {
		return farEnd{}, err
	}
	var all []farEnd
	if err := json.Unmarshal(out, &all); err != nil || len(all) != 1 {
		return farEnd{}, fmt.Errorf("ip says nothing of the far end: %w", err)
	}
	return all[0], nil
}

// measured is what one run of a tool cost, and what of it arrived.
type measured struct {
	packets   int64
	wall, cpu time.Duration
	out       []byte
}

func (m measured) perCPU() float64 { return float64(m.packets) / m.cpu.Seconds() }

// measure runs a tool in the near namespace. Its processor time is the whole
// process's, start and waiting included.
func (w *wire) measure(t tool) (measured, error) {
	before, err := w.far()
	if err != nil {
		return measured{}, err
	}
	c := exec.Command("ip", append([]string{"netns", "exec", w.here}, t.args...)...)
	c.Dir = w.dir // masscan leaves a file where it was interrupted.
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	began := time.Now()
	if err := c.Run(); err != nil {
		return measured{}, fmt.Errorf("%w: %s", err, said.Bytes()[max(0, said.Len()-1000):])
	}
	m := measured{wall: time.Since(began), cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime(), out: out.Bytes()}
	after, err := w.far()
	m.packets = after.Stats.RX.Packets - before.Stats.RX.Packets
	return m, err
}

// scope writes a scope that authorises ranges.
func (w *wire) scope(target string, rate int) (string, error) {
	file := filepath.Join(w.dir, fmt.Sprintf("%d.yaml", rate))
	return file, os.WriteFile(file, fmt.Appendf(nil, `owner: Bench
contact: bench@example.test
legal_basis: a namespace of our own
proof: {kind: letter, reference: none is needed, recorded_by: [bench, scan]}
ranges: [%s]
ports: [8022]
rate: %d
caps: {address: 10, network: 60000, owner: 1000000000}
valid_until: %s
`, target, rate, time.Now().AddDate(0, 0, 1).UTC().Format(time.RFC3339)), 0o600)
}

func (w *wire) scan(scope string) []string {
	return []string{"surface", "scan", "--scope", scope, "--mode", "syn", "--ports-only", "--wait", "2s", "--log", filepath.Join(w.dir, "runs.jsonl")}
}

// The rate at which no answer may be lost, and how often a machine that did not
// reach it is asked again. The scope allows a quarter more: its rate is what a
// sender never exceeds, and time that others had the processor is not made up for.
const (
	atLeast = 200_000
	allowed = atLeast + atLeast/4
	tries   = 5
)

// lost scans 5,242,880 addresses, of which each one answers, at no less than
// 200,000 packets a second by the responder's clock, and says how many answers
// are missing.
func (w *wire) lost(out io.Writer) (int64, error) {
	var ranges [5]string
	for i := range ranges {
		ranges[i] = fmt.Sprintf("10.%d.0.0/12", 128+16*i)
	}
	scope, err := w.scope(strings.Join(ranges[:], ", "), allowed)
	if err != nil {
		return 0, err
	}
	for range tries {
		missing, rate, err := w.answered(out, scope, int64(len(ranges))<<20)
		if err != nil || rate >= atLeast {
			return missing, err
		}
		fmt.Fprintf(out, "    that is less than %d a second: the machine has other work, and is asked again\n", atLeast)
	}
	return 0, fmt.Errorf("the machine did not reach %d packets a second in %d tries", atLeast, tries)
}

// answered scans once, and says how many answers are missing and at what rate the
// probes came to the responder.
func (w *wire) answered(out io.Writer, scope string, probes int64) (missing int64, rate float64, err error) {
	responder, err := w.helper("-respond")
	if err != nil {
		return 0, 0, err
	}
	w.helpers = w.helpers[:len(w.helpers)-1] // It is ended here.
	binary, err := kit.Binary()
	if err != nil {
		return 0, 0, err
	}
	m, err := w.measure(tool{"noroshi", append([]string{binary}, w.scan(scope)...)})
	said, rerr := responder.end()
	if err := errors.Join(err, rerr); err != nil {
		return 0, 0, err
	}
	var r responded
	lines := bytes.Split(bytes.TrimSpace(m.out), []byte("\n"))
	var last struct {
		Summary struct {
			Probes, Open, Closed, Bogus, Dropped int64
		}
	}
	if err := errors.Join(json.Unmarshal(said, &r), json.Unmarshal(lines[len(lines)-1], &last)); err != nil {
		return 0, 0, err
	}
	s := last.Summary
	if s.Probes != probes || int64(len(lines)-1) != s.Open {
		return 0, 0, fmt.Errorf("%d probes left and %d open ports were told of %d", s.Probes, len(lines)-1, s.Open)
	}
	rate = r.perSecond()
	fmt.Fprintf(out, "  %d probes, %.0f a second: %d answered, %d open, %d closed, %d bogus, %d dropped by the kernel, %.2f CPU s\n",
		s.Probes, rate, r.Answered, s.Open, s.Closed, s.Bogus, s.Dropped, m.cpu.Seconds())
	return s.Probes - s.Open - s.Closed, rate, nil
}
