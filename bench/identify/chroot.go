package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// helpers are what the bed needs beside the services' packages.
var helpers = []string{"iproute2", "inetutils-inetd", "pdns-backend-bind", "dovecot-imapd", "dovecot-pop3d", "postgresql", "ruby", "ssl-cert"}

// chroot is a Debian of its own with every package of the bed, made once and
// kept. It is only read: whoever uses it lays a file system in memory over it.
func chroot(out io.Writer, dir, mirror string) error {
	want := slices.Clone(helpers)
	for _, s := range services {
		want = append(want, s.pkg)
	}
	missing := absent(dir, want)
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return fmt.Errorf("%w; 'apt-get install debootstrap' brings it", err)
	}
	fmt.Fprintf(out, "making a Debian in %s; this takes about 5 minutes, once\n", dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "etc/debian_version")); err != nil {
		if err := run("debootstrap", "--variant=minbase", "bookworm", dir, mirror+"/debian"); err != nil {
			return err
		}
	}
	sources := ""
	for _, s := range []string{"/debian bookworm", "/debian bookworm-updates", "/debian-security bookworm-security"} {
		sources += "deb " + mirror + s + " main\n"
	}
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name, text string
		mode       os.FileMode
	}{
		{"etc/apt/sources.list", sources, 0o644},
		{"etc/resolv.conf", string(resolver), 0o644},
		{"usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755}, // Nothing starts by being installed.
	} {
		if err := os.WriteFile(filepath.Join(dir, f.name), []byte(f.text), f.mode); err != nil {
			return err
		}
	}
	install := `mount -t proc proc "$0/proc" && mount -t devpts devpts "$0/dev/pts" && export DEBIAN_FRONTEND=noninteractive &&
chroot "$0" apt-get update && exec chroot "$0" apt-get install -y --no-install-recommends "$@"`
	if err := run("unshare", append([]string{"-m", "-p", "-f", "--kill-child", "sh", "-c", install, dir}, missing...)...); err != nil {
		return err
	}
	if missing = absent(dir, want); len(missing) > 0 {
		return fmt.Errorf("%s are not installed in %s", strings.Join(missing, ", "), dir)
	}
	return nil
}

// absent are the packages that are not installed.
func absent(dir string, want []string) (missing []string) {
	have := installed(dir)
	for _, p := range want {
		if have[p] == "" {
			missing = append(missing, p)
		}
	}
	return missing
}

// installed is each package's version by dpkg.
func installed(dir string) map[string]string {
	b, err := exec.Command("dpkg-query", "--admindir", filepath.Join(dir, "var/lib/dpkg"), "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n").Output()
	if err != nil {
		return nil
	}
	have := map[string]string{}
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); len(f) == 3 && f[0] == "installed" {
			have[f[1]] = f[2]
		}
	}
	return have
}

// run runs a command to its end; what it said stands in its error.
func run(name string, args ...string) error {
	var said bytes.Buffer
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, said.Bytes()[max(0, said.Len()-2000):])
	}
	return nil
}
