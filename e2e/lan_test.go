package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"noroshi/internal/peers"
)

// lan is a network of machines: a namespace for each, joined by a bridge in one
// more. Whatever runs in them shares this machine's processes and files.
type lan struct {
	*testing.T
	name  string
	hosts map[string]string // name → address
}

// lanPrefix is that of the lan's addresses.
const lanPrefix = "10.77.0."

// newLAN makes a network, which goes with the test. It skips where that is not
// possible, and fails there when CI=true.
func newLAN(t *testing.T, hosts ...string) *lan {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, "network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		missing(t, "network namespaces need ip; Debian's package iproute2 has it")
	}
	l := &lan{T: t, name: fmt.Sprintf("noroshi%d-", os.Getpid()), hosts: map[string]string{}}
	removeDeadLANs(t)
	t.Cleanup(l.remove)
	l.add("bridge")
	l.ip("-n", l.ns("bridge"), "link", "add", "br0", "type", "bridge")
	l.ip("-n", l.ns("bridge"), "link", "set", "br0", "up")
	for i, h := range hosts {
		l.hosts[h] = lanPrefix + strconv.Itoa(i+2)
		l.add(h)
		l.ip("link", "add", "eth0", "netns", l.ns(h), "type", "veth", "peer", "name", h, "netns", l.ns("bridge"))
		l.ip("-n", l.ns("bridge"), "link", "set", h, "master", "br0", "up")
		l.ip("-n", l.ns(h), "addr", "add", l.hosts[h]+"/24", "dev", "eth0")
		l.ip("-n", l.ns(h), "link", "set", "eth0", "up")
	}
	return l
}

func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func (l *lan) ns(host string) string { return l.name + host }

func (l *lan) ip(args ...string) {
	l.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (l *lan) add(host string) {
	l.Helper()
	l.ip("netns", "add", l.ns(host))
	l.ip("-n", l.ns(host), "link", "set", "lo", "up")
}

// remove takes the namespaces away, and with them their links.
func (l *lan) remove() {
	for _, h := range append([]string{"bridge"}, hostsOf(l.name)...) {
		_ = exec.Command("ip", "netns", "del", l.ns(h)).Run() // The bridge is maybe in both lists.
		_ = os.RemoveAll(l.etc(h))
	}
}

func hostsOf(lan string) (list []string) {
	paths, _ := filepath.Glob("/run/netns/" + lan + "*")
	for _, p := range paths {
		list = append(list, strings.TrimPrefix(filepath.Base(p), lan))
	}
	return list
}

// removeDeadLANs takes away what a test that was killed left behind.
func removeDeadLANs(t *testing.T) {
	for _, h := range hostsOf("noroshi") {
		pid, _, ok := strings.Cut(h, "-")
		if _, err := os.Stat("/proc/" + pid); ok && os.IsNotExist(err) {
			(&lan{T: t, name: "noroshi" + pid + "-"}).remove()
		}
	}
}

func (l *lan) etc(host string) string { return filepath.Join("/etc/netns", l.ns(host)) }

// names lets a host know others by names, each of which may be several hosts.
func (l *lan) names(host string, of map[string][]string) {
	l.Helper()
	text := "127.0.0.1 localhost\n"
	for name, hosts := range of {
		for _, h := range hosts {
			text += l.hosts[h] + " " + name + "\n"
		}
	}
	must(l, os.MkdirAll(l.etc(host), 0o755))
	must(l, os.WriteFile(filepath.Join(l.etc(host), "hosts"), []byte(text), 0o644))
}

// cut takes a host from the network; mend brings it back.
func (l *lan) cut(host string)  { l.ip("-n", l.ns("bridge"), "link", "set", host, "down") }
func (l *lan) mend(host string) { l.ip("-n", l.ns("bridge"), "link", "set", host, "up") }

// start starts a program on a host and waits until it is ready.
func (l *lan) start(host string, ready func(context.Context) error, program string, args ...string) *peers.Process {
	l.Helper()
	return peers.Start(l, "ip", l.hosts[host], ready, append([]string{"netns", "exec", l.ns(host), program}, args...)...)
}

// run runs a command on a host to its end.
func (l *lan) run(ctx context.Context, host, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.ns(host), program}, args...)...).CombinedOutput()
	return string(out), err
}

// empty tells that no program runs on a host. Threads of the test may.
func (l *lan) empty(host string) bool {
	out, err := exec.Command("ip", "netns", "pids", l.ns(host)).Output()
	list := strings.Fields(string(out))
	return err == nil && (len(list) == 0 || len(list) == 1 && list[0] == strconv.Itoa(os.Getpid()))
}

// dial connects from a host.
func (l *lan) dial(ctx context.Context, host, addr string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // And never unlocked: the thread ends with its namespace.
		fd, err := unix.Open("/run/netns/"+l.ns(host), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			_ = unix.Close(fd)
		}
		var c net.Conn
		if err == nil {
			c, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
		}
		done <- result{c, err}
	}()
	r := <-done
	return r.conn, r.err
}

// listening is ready when a port of a host takes connections.
func (l *lan) listening(host, port string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := l.dial(ctx, host, net.JoinHostPort(l.hosts[host], port))
		if err == nil {
			_ = c.Close()
		}
		return err
	}
}

// web asks a host's HTTP servers from the host itself.
func (l *lan) web(host string) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return l.dial(ctx, host, addr) }}}
}
