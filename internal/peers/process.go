package peers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a server of ours on loopback. It dies with the test, and with the
// test's process.
type Process struct {
	Addr string // host:port

	t     testing.TB
	log   string
	path  string
	args  []string
	ready func(ctx context.Context) error

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{}
}

// startBound is how long a server may take until it answers.
const startBound = 3 * time.Minute

// StartVictoriaLogs starts a single node, or with -storageNode the front of a
// cluster, that keeps its data in a folder and listens on a free port.
func StartVictoriaLogs(t testing.TB, dir string, flags ...string) *Process {
	t.Helper()
	addr := FreeAddr(t)
	args := append([]string{"-httpListenAddr=" + addr, "-storageDataPath=" + dir, "-retentionPeriod=30d", "-maxBackfillAge=30d", "-memory.allowedBytes=128MiB"}, flags...)
	if slices.Contains(flags, "-tls") { // Its certificate is known to the test only.
		return Start(t, VictoriaLogs(t), addr, Listening(addr), args...)
	}
	return Start(t, VictoriaLogs(t), addr, func(ctx context.Context) error { return answers(ctx, "http://"+addr+"/-/ready") }, args...)
}

// Listening is ready when somebody takes connections.
func Listening(addr string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
}

// URL is where an HTTP server is.
func (p *Process) URL() string { return "http://" + p.Addr }

func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusUnauthorized {
		return nil // A server that asks who is there is ready too.
	}
	return fmt.Errorf("%s answers %s", url, resp.Status)
}

// Start starts a server and waits until it is ready.
func Start(t testing.TB, path, addr string, ready func(ctx context.Context) error, args ...string) *Process {
	t.Helper()
	p := &Process{Addr: addr, t: t, path: path, args: args, ready: ready, log: filepath.Join(t.TempDir(), "log")}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			said, _ := os.ReadFile(p.log)
			t.Logf("%s said:\n%s", filepath.Base(path), said[max(0, len(said)-8<<10):])
		}
	})
	p.Restart()
	return p
}

// Restart starts the server again after Kill or Stop, at the same address and
// with the same data.
func (p *Process) Restart() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	c := exec.Command(p.path, p.args...)
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ended := make(chan struct{})
	started := make(chan error)
	// The thread that starts a child with a death signal must live as long.
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			_ = c.Wait()
		}
	}()
	if err := <-started; err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.cmd, p.ended = c, ended
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.t.Context(), startBound)
	defer cancel()
	for {
		err := p.ready(ctx)
		if err == nil {
			return
		}
		select {
		case <-ended:
			p.t.Fatalf("%s ended before it was ready: %v", p.path, c.ProcessState)
		case <-ctx.Done():
			p.t.Fatalf("%s was not ready: %v", p.path, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// PID is the server's, for whoever measures it.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// Kill ends the server as a power cut would, but for what the kernel holds.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

// Stop lets the server finish.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

func (p *Process) end(sig syscall.Signal) {
	p.mu.Lock()
	c, ended := p.cmd, p.ended
	p.mu.Unlock()
	if c == nil {
		return
	}
	_ = c.Process.Signal(sig) // It may have ended by itself.
	<-ended
}

// Pause lets the server hang, with its port open, until Resume. It returns when
// every thread has stopped.
func (p *Process) Pause() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	for end := time.After(startBound); !p.stopped(); {
		select {
		case <-end:
			p.t.Fatal("the server does not stop")
		case <-time.After(time.Millisecond):
		}
	}
}

// Resume ends a Pause.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

func (p *Process) stopped() bool {
	threads, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(p.PID()), "task", "*", "stat"))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		// The name in brackets may hold anything; the state follows it.
		if _, state, ok := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " "); err != nil || !ok || state[0] != 'T' {
			return false
		}
	}
	return true
}

func (p *Process) signal(sig syscall.Signal) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// FreeAddr is an address on loopback that nobody listens on. It lies below the
// ports that the kernel gives to connections, so that none takes it while a
// server is away: whoever dials a dead port there may even reach itself.
func FreeAddr(t testing.TB) string {
	t.Helper()
	var err error
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(lowestPort+rand.IntN(highestPort-lowestPort)))
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal(err)
	return ""
}

const lowestPort, highestPort = 12_000, 32_000
