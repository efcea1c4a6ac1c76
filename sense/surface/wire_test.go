package surface

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"noroshi/sense/surface/identify"
	"noroshi/service"
)

// scopeFile names the scope that this test binary scans, when it is started
// again inside a namespace.
const scopeFile = "NOROSHI_TEST_SCOPE"

// TestMain is the scanner's process when it is told a scope: it prints the open
// ports, and at last the summary.
func TestMain(m *testing.M) {
	file := os.Getenv(scopeFile)
	if file == "" {
		os.Exit(m.Run())
	}
	out := json.NewEncoder(os.Stdout)
	s, err := Load(file)
	if err == nil {
		var sum Summary
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		sum, err = Scan(ctx, s, Options{Mode: SYN, Wait: 5 * time.Second, Identify: &identify.Engine{Contact: s.Contact},
			Found: func(p service.Port) { err = errors.Join(err, out.Encode(p)) }})
		stop()
		err = errors.Join(err, out.Encode(sum))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// wire is two namespaces with a link between them; the far one answers for all
// addresses of 10.99.0.0/16 and fd99::/112.
func wire(t *testing.T) (here, there string) {
	t.Helper()
	missing := func(why string) {
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	if os.Getuid() != 0 {
		missing("network namespaces and raw sockets need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		missing("network namespaces need ip; Debian's package iproute2 has it")
	}
	here, there = fmt.Sprintf("noroshi%d-here", os.Getpid()), fmt.Sprintf("noroshi%d-there", os.Getpid())
	t.Cleanup(func() {
		_ = exec.Command("ip", "netns", "del", here).Run() // It may not have been made.
		_ = exec.Command("ip", "netns", "del", there).Run()
	})
	for _, c := range []string{
		"netns add " + here, "netns add " + there,
		"link add eth0 netns " + here + " type veth peer name eth0 netns " + there,
		"-n " + here + " addr add 10.78.0.1/24 dev eth0", "-n " + there + " addr add 10.78.0.2/24 dev eth0",
		"-n " + here + " addr add fd78::1/64 dev eth0 nodad", "-n " + there + " addr add fd78::2/64 dev eth0 nodad",
		dadOff + here, dadOff + there,
		"-n " + here + " link set eth0 up", "-n " + there + " link set eth0 up", "-n " + there + " link set lo up",
		"-n " + here + " route add 10.99.0.0/16 via 10.78.0.2", "-n " + here + " route add fd99::/112 via fd78::2",
		"-n " + there + " route add local 10.99.0.0/16 dev lo", "-n " + there + " route add local fd99::/112 dev lo",
	} {
		args := strings.Fields(c)
		if ns, ok := strings.CutPrefix(c, dadOff); ok {
			// A neighbour asks by its link-local address, which it may not use for up to
			// two seconds while it looks for a duplicate.
			args = []string{"netns", "exec", ns, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad"}
		}
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", c, err, out)
		}
	}
	return here, there
}

const dadOff = "without duplicates: "

// listen opens a port in a namespace; the socket stays there.
func listen(t *testing.T, ns, address string) net.Listener {
	t.Helper()
	type result struct {
		l   net.Listener
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // The thread ends with this goroutine: it is in another namespace.
		f, err := os.Open("/run/netns/" + ns)
		if err == nil {
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
			_ = f.Close() // It was only entered.
		}
		if err != nil {
			done <- result{nil, err}
			return
		}
		l, err := net.Listen("tcp", address)
		done <- result{l, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { _ = r.l.Close() })
	return r.l
}

func scopeFor(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "scope.yaml")
	if err := os.WriteFile(file, []byte("owner: Laboratory\ncontact: lab@example.jp\nlegal_basis: own systems\nproof: {kind: letter, reference: drawer 3, recorded_by: [Hanako, Taro]}\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func scanner(t *testing.T, ns, file string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("ip", "netns", "exec", ns, self)
	c.Env = append(os.Environ(), scopeFile+"="+file)
	c.Stderr = os.Stderr
	return c
}

func TestARawScanFindsAllThatIsOpenAndMeetsNothingElse(t *testing.T) {
	here, there := wire(t)
	l := listen(t, there, ":8022")
	met := make(chan netip.Addr, 1<<12)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(met)
				return
			}
			met <- c.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
			_, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n"))
			_ = c.Close()
		}
	}()
	out, err := scanner(t, here, scopeFor(t, `ranges: [10.99.0.0/25, "fd99::/122"]
excluded: [10.99.0.64/27]
ports: [8022, 8023]
rate: 5000
caps: {address: 20, network: 5000, owner: 5000}
valid_until: 2099-01-01T00:00:00Z
`)).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	open := map[netip.Addr]bool{}
	for _, line := range lines[:len(lines)-1] {
		var p service.Port
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		if p.Port != 8022 || p.Product != "OpenSSH" || p.Version != "9.2p1" || p.Package != "9.2p1-2+deb12u10" || open[p.Address] {
			t.Errorf("told of %s", line)
		}
		open[p.Address] = true
	}
	var s Summary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		t.Fatal(err)
	}
	const addresses = 96 + 64
	if s.Mode != SYN || s.Ended != "done" || s.Targets != 2*addresses || s.Open != addresses || s.Closed != addresses || len(open) != addresses || s.Bogus != 0 {
		t.Errorf("%d ports were told of; summary %+v", len(open), s)
	}
	if s.Probes != 3*addresses || s.ByRange["10.99.0.0/25"] != 3*96 || s.ByRange["fd99::/122"] != 3*64 {
		t.Errorf("%d probes, by range %v; want one for each target and one for each open port", s.Probes, s.ByRange)
	}
	_ = l.Close()
	for a := range met {
		if !open[a] {
			t.Errorf("%s was met, and is no target", a)
		}
	}
}

func TestAWithdrawalStopsARunningScan(t *testing.T) {
	for name, withdraw := range map[string]func(file string, p *os.Process) error{
		"file removed": func(file string, _ *os.Process) error { return os.Remove(file) },
		"signal":       func(_ string, p *os.Process) error { return p.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			here, there := wire(t)
			l := listen(t, there, ":8022")
			// At one probe a second for each of 65,536 addresses this would last for hours.
			file := scopeFor(t, "ranges: [10.99.0.0/16]\nports: [8022]\nrate: 50\ncaps: {address: 1, network: 50, owner: 100000}\nvalid_until: 2099-01-01T00:00:00Z\n")
			c := scanner(t, here, file)
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Accept(); err != nil { // It asks an open port: it is on its way.
				t.Fatal(err)
			}
			if err := withdraw(file, c.Process); err != nil {
				t.Fatal(err)
			}
			var s Summary
			for d := json.NewDecoder(out); d.More(); {
				if err := d.Decode(&s); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Wait(); err != nil {
				t.Fatal(err)
			}
			if s.Ended != "withdrawn" || s.Position.Next == 0 || s.Position.Next >= s.Targets {
				t.Errorf("it ended with %+v", s)
			}
		})
	}
}
