package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	ourAddress   = "10.79.0.1"
	theirAddress = "10.79.0.2"
)

// bed is the services at work: in a network namespace, a process namespace and
// a file system of their own, which one kill takes away.
type bed struct {
	here, there string // names of the network namespaces
	dir         string
	cmd         *exec.Cmd
}

// script starts every service above the chroot ($1), whose files stay as they
// are: what is written goes into memory. The folder $2 holds a file for each.
const script = `set -e
mount -t tmpfs tmpfs "$2/over" && mkdir "$2/over/upper" "$2/over/work" "$2/over/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/over/upper,workdir=$2/over/work" "$2/over/root"
cd "$2/over/root"
mount -t proc proc proc && mount -t tmpfs tmpfs run && mount -t tmpfs tmpfs tmp && mount -t tmpfs tmpfs dev
chmod 1777 tmp
for d in null zero random urandom tty; do touch dev/$d && mount --bind /dev/$d dev/$d; done
mkdir dev/pts dev/shm run/lock && chmod 1777 dev/shm run/lock && mount -t devpts devpts dev/pts && ln -s pts/ptmx dev/ptmx && ln -s /proc/self/fd dev/fd
printf '127.0.0.1 localhost\n10.79.0.1 scanner\n10.79.0.2 bed.example.test bed\n' >etc/hosts
echo nameserver 127.0.0.1 >etc/resolv.conf
hostname bed
for f in "$2"/start/*; do
	setsid chroot . sh -c "$(cat "$f")" </dev/null >"$2/log/${f##*/}" 2>&1 &
done
exec chroot . sleep infinity`

// newBed starts the services and waits until every port listens. A service that
// does not come up is an error, with what it said.
func newBed(ctx context.Context, chroot string) (*bed, error) {
	dir, err := os.MkdirTemp("", "noroshi-bench-identify-")
	if err != nil {
		return nil, err
	}
	p := fmt.Sprintf("noroshi%d-", os.Getpid())
	b := &bed{here: p + "here", there: p + "there", dir: dir}
	if err := b.start(ctx, chroot); err != nil {
		b.remove()
		return nil, err
	}
	return b, nil
}

func (b *bed) start(ctx context.Context, chroot string) error {
	for _, d := range []string{"start", "log", "over"} {
		if err := os.Mkdir(filepath.Join(b.dir, d), 0o755); err != nil {
			return err
		}
	}
	for _, s := range services {
		if err := os.WriteFile(filepath.Join(b.dir, "start", s.pkg), []byte(s.start), 0o644); err != nil {
			return err
		}
	}
	for _, c := range []string{
		"netns add " + b.here, "netns add " + b.there,
		"link add eth0 netns " + b.here + " type veth peer name eth0 netns " + b.there,
		"-n " + b.here + " addr add " + ourAddress + "/24 dev eth0", "-n " + b.there + " addr add " + theirAddress + "/24 dev eth0",
		"-n " + b.here + " link set eth0 up", "-n " + b.there + " link set eth0 up", "-n " + b.there + " link set lo up",
	} {
		if err := run("ip", strings.Fields(c)...); err != nil {
			return err
		}
	}
	b.cmd = exec.Command("ip", "netns", "exec", b.there, "unshare", "-m", "-u", "-p", "-f", "--kill-child", "sh", "-c", script, "sh", chroot, b.dir)
	said, err := os.Create(filepath.Join(b.dir, "log", "bed"))
	if err != nil {
		return err
	}
	defer func() { _ = said.Close() }() // The process has its own handle.
	b.cmd.Stdout, b.cmd.Stderr = said, said
	if err := b.cmd.Start(); err != nil {
		return err
	}
	return b.await(ctx)
}

// await looks at the sockets until each service has its port.
func (b *bed) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		open, err := b.listening()
		if err != nil {
			return err
		}
		var missing []service
		for _, s := range services {
			if !open[s.target()] {
				missing = append(missing, s)
			}
		}
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			var all []error
			for _, s := range missing {
				said, _ := os.ReadFile(filepath.Join(b.dir, "log", s.pkg)) // What is missing there is not said.
				all = append(all, fmt.Errorf("%s does not listen on %s: %s", s.pkg, s.target(), said[max(0, len(said)-1000):]))
			}
			return errors.Join(all...)
		case <-tick.C:
		}
	}
}

// listening is the sockets that wait for somebody, by the kernel's account.
func (b *bed) listening() (map[string]bool, error) {
	out, err := exec.Command("ip", "netns", "exec", b.there, "ss", "-Hlntu").Output()
	if err != nil {
		return nil, err
	}
	open := map[string]bool{}
	for l := range strings.Lines(string(out)) {
		if f := strings.Fields(l); len(f) > 4 {
			open[f[0]+" "+f[4][strings.LastIndexByte(f[4], ':')+1:]] = true
		}
	}
	return open, nil
}

// target names a service as the kernel and the scanner do: "tcp 22".
func (s service) target() string {
	if s.udp {
		return "udp " + strconv.Itoa(int(s.port))
	}
	return "tcp " + strconv.Itoa(int(s.port))
}

// inside is a command on the near side of the link.
func (b *bed) inside(args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", b.here}, args...)...)
}

// hold leaves the bed as it is until standard input ends, for who wants to look.
func (b *bed) hold(out io.Writer) {
	fmt.Fprintf(out, "the bed answers at %s to 'ip netns exec %s …'; what its services say is in %s/log; it ends with standard input\n", theirAddress, b.here, b.dir)
	_, _ = io.Copy(io.Discard, os.Stdin) // Its end is the word.
}

// remove ends the services and takes the namespaces away.
func (b *bed) remove() {
	if b.cmd != nil && b.cmd.Process != nil {
		_ = b.cmd.Process.Kill() // unshare ends its child, and with it every process in there.
		_ = b.cmd.Wait()         // It was killed.
	}
	_ = exec.Command("ip", "netns", "del", b.here).Run() // It may not have been made.
	_ = exec.Command("ip", "netns", "del", b.there).Run()
	_ = os.RemoveAll(b.dir)
}
