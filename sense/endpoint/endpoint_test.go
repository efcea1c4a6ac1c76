package endpoint

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"noroshi/event"
)

// watch runs a sensor of a tier and collects its events.
type watch struct {
	*Sensor
	mu     sync.Mutex
	events []*event.Event
	hold   sync.Mutex // held by a test that stalls the sensor
}

func start(t *testing.T, tier string) *watch {
	t.Helper()
	w := &watch{}
	var err error
	w.Sensor, err = New(Config{Tier: tier}, Deps{Log: slog.New(slog.DiscardHandler), Emit: func(e *event.Event) error {
		w.hold.Lock()
		defer w.hold.Unlock()
		w.mu.Lock()
		defer w.mu.Unlock()
		e.Finish()
		w.events = append(w.events, e)
		return nil
	}})
	if err != nil {
		if os.Getenv("CI") == "true" && os.Getuid() == 0 {
			t.Fatal(err)
		}
		t.Skip("the tier is not allowed here:", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

// wait returns the first event that fits.
func (w *watch) wait(t *testing.T, what string, fits func(*event.Event) bool) *event.Event {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		w.mu.Lock()
		for _, e := range w.events {
			if fits(e) {
				w.mu.Unlock()
				return e
			}
		}
		n := len(w.events)
		w.mu.Unlock()
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s was not seen among %d events; %+v", what, n, w.Stats())
		}
	}
}

func launched(mark string) func(*event.Event) bool {
	return func(e *event.Event) bool {
		return e.ClassUID == event.ProcessActivity && e.ActivityID == event.ProcessLaunch && strings.Contains(e.Process.CmdLine, mark)
	}
}

func TestProcessesAreSeenWithArgumentsParentAndEnd(t *testing.T) {
	for _, tier := range []string{EBPF, Proc} {
		t.Run(tier, func(t *testing.T) {
			w := start(t, tier)
			mark := fmt.Sprintf("mark-%s-%d", tier, os.Getpid())
			long := strings.Repeat("x", 1500)
			// read makes the process live until its input ends, so that the
			// fallback has the time to look.
			c := exec.Command("/bin/sh", "-c", "read x; exit 3", mark, "日本語", long)
			in, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			e := w.wait(t, "the start", launched(mark))
			if err := in.Close(); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait() // It ends with 3, which is the point.
			p := e.Process
			if want := "/bin/sh -c read x; exit 3 " + mark + " 日本語 " + long; p.CmdLine != want {
				t.Errorf("the command line is %q", p.CmdLine)
			}
			if p.PID != c.Process.Pid || !strings.HasSuffix(p.File.Path, "sh") || p.User.Name == "" || e.Metadata.Provider != tier {
				t.Errorf("the process is %+v, file %+v, user %+v, tier %s", p, p.File, p.User, e.Metadata.Provider)
			}
			if p.ParentProcess == nil || p.ParentProcess.PID != os.Getpid() || e.Unmapped["ParentImage"] == "" {
				t.Errorf("the parent is %+v", p.ParentProcess)
			}
			end := w.wait(t, "the end", func(e *event.Event) bool {
				return e.ActivityID == event.ProcessTerminate && e.Process != nil && e.Process.PID == c.Process.Pid
			})
			if end.ExitCode == nil || *end.ExitCode != 3 || end.Process.CmdLine != p.CmdLine {
				t.Errorf("the end is %+v of %+v", end.ExitCode, end.Process)
			}
			if err := end.Validate(); err == nil {
				t.Error("an event without organisation is valid")
			}
		})
	}
}

func TestConnectionsAndLookupsAreSeenWithTheirProcess(t *testing.T) {
	w := start(t, EBPF)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	c := exec.Command("/bin/bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d", port))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	e := w.wait(t, "the connection", func(e *event.Event) bool {
		return e.ClassUID == event.NetworkActivity && e.DstEndpoint.Port == port && e.ConnectionInfo.DirectionID == event.DirectionOutbound
	})
	if e.Actor.Process.PID != c.Process.Pid || !strings.HasSuffix(e.Actor.Process.File.Path, "bash") || e.DstEndpoint.IP != "127.0.0.1" {
		t.Errorf("the connection is %+v → %+v by %+v", e.SrcEndpoint, e.DstEndpoint, e.Actor.Process)
	}
	q := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("Look-Up.example.test."), Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET}}}
	b, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	octal := ""
	for _, x := range b {
		octal += fmt.Sprintf(`\%03o`, x)
	}
	c = exec.Command("/bin/bash", "-c", "printf '"+octal+"' > /dev/udp/127.0.0.1/53")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	e = w.wait(t, "the look-up", func(e *event.Event) bool {
		return e.ClassUID == event.DNSActivity && e.Query.Hostname == "look-up.example.test"
	})
	if e.Query.Type != "AAAA" || e.Actor.Process == nil || e.Actor.Process.PID != c.Process.Pid || e.DstEndpoint.IP != "127.0.0.1" {
		t.Errorf("the look-up is %+v by %+v", e.Query, e.Actor.Process)
	}
}

func TestAcceptedConnectionsNameTheServer(t *testing.T) {
	w := start(t, EBPF)
	perl, err := exec.LookPath("perl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("perl, which serves here, is not installed")
	}
	c := exec.Command(perl, "-MIO::Socket::INET", "-e", `$s=IO::Socket::INET->new(LocalAddr=>"127.0.0.1",Listen=>1);$|=1;print $s->sockport,"\n";$s->accept`)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var port int
	if _, err := fmt.Fscan(out, &port); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	_ = c.Wait()
	e := w.wait(t, "the accepted connection", func(e *event.Event) bool {
		return e.ClassUID == event.NetworkActivity && e.ConnectionInfo.DirectionID == event.DirectionInbound && e.DstEndpoint.Port == port
	})
	if e.Actor.Process.PID != c.Process.Pid || e.SrcEndpoint.IP != "127.0.0.1" {
		t.Errorf("the server is %+v, not %d", e.Actor.Process, c.Process.Pid)
	}
}

// TestWhatTheRingCannotHoldIsCounted stalls the reader until the ring is full.
func TestWhatTheRingCannotHoldIsCounted(t *testing.T) {
	w := start(t, EBPF)
	w.wait(t, "the first event", func() func(*event.Event) bool {
		_ = exec.Command("/bin/true", "first").Run()
		return launched("first")
	}())
	w.hold.Lock()
	arg := strings.Repeat("y", 4000)
	n := 0
	for ; n < 6000 && w.Stats().Dropped == 0; n++ {
		if err := exec.Command("/bin/true", "flood", arg).Run(); err != nil {
			t.Fatal(err)
		}
	}
	w.hold.Unlock()
	if w.Stats().Dropped == 0 {
		t.Fatalf("%d large events fit into the ring", n)
	}
	mark := fmt.Sprintf("after-%d", os.Getpid())
	looks := 0
	w.wait(t, "what comes after", func(e *event.Event) bool {
		if looks++; looks%20_000 == 1 { // The ring may still be full at first.
			_ = exec.Command("/bin/true", mark).Run()
		}
		return launched(mark)(e)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := 0
	for _, e := range w.events {
		if launched("flood")(e) {
			seen++
		}
	}
	// Other processes of the machine may lose events too: the count is of all.
	if lost := n - seen; uint64(lost) > w.Stats().Dropped || lost == 0 && n == seen && w.Stats().Dropped < 1 {
		t.Errorf("%d starts, %d seen, but only %d counted as dropped", n, seen, w.Stats().Dropped)
	}
}

func FuzzQuestion(f *testing.F) {
	q := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	b, _ := q.Pack()
	f.Add(b)
	f.Add([]byte{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12})
	f.Fuzz(func(t *testing.T, b []byte) {
		if name, _, ok := question(b); ok && name == "" {
			t.Error("a question without a name")
		}
	})
}
