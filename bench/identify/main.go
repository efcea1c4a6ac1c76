// Command identify measures how well open ports are identified: real services
// out of Debian packages are started in a namespace of their own, the scanner
// says what they are, and what it says is compared with what dpkg knows. Then
// nmap -sV asks the same ports; it is only timed, and what it says is thrown
// away unread, because its licence forbids to build on its output.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"noroshi/bench/kit"
)

func main() {
	cache := flag.String("chroot", "/var/cache/noroshi-bench/identify", "where the Debian with the services is, or is to be made")
	mirror := flag.String("mirror", "http://deb.debian.org", "where packages come from, when it has to be made")
	recog := flag.String("recog", "../shared/data/exposure/recog/xml", "folder with fingerprints in recog's XML form")
	rounds := flag.Int("rounds", 3, "how often the scanner asks; the median is the figure, and every round must say the same")
	hold := flag.Bool("hold", false, "start the services, and leave them until standard input ends")
	flag.Parse()
	if err := bench(context.Background(), os.Stdout, options{*cache, *mirror, *recog, *rounds, *hold}); err != nil {
		fmt.Fprintln(os.Stderr, "bench identify:", err)
		os.Exit(1)
	}
}

type options struct {
	chroot, mirror, recog string
	rounds                int
	hold                  bool
}

// figures is what the last line says. The shares are of all services, whether
// they tell a version or not; and one is of those that tell it.
type figures struct {
	Services     int     `json:"services"`
	ProductRight float64 `json:"product_right"`
	VersionRight float64 `json:"version_right"`
	VersionTold  float64 `json:"version_right_of_told"`
	VersionWrong int     `json:"version_wrong"`
	Seconds      float64 `json:"seconds"`
	NmapSeconds  float64 `json:"nmap_seconds"` // nought where nmap is absent
}

func bench(ctx context.Context, out io.Writer, o options) error {
	if os.Getuid() != 0 {
		return fmt.Errorf("namespaces and a chroot need root")
	}
	fmt.Fprintln(out, kit.Machine())
	if err := chroot(out, o.chroot, o.mirror); err != nil {
		return err
	}
	b, err := newBed(ctx, o.chroot)
	if err != nil {
		return err
	}
	defer b.remove()
	if o.hold {
		b.hold(out)
		return nil
	}
	var t tally
	var took []time.Duration
	for range max(o.rounds, 1) {
		ports, d, err := b.scan(o.recog)
		if err != nil {
			return err
		}
		t.judge(ports, installed(o.chroot))
		took = append(took, d)
	}
	t.print(out)
	f := figures{Services: len(services), ProductRight: share(t.product, t.asked), VersionRight: share(t.version, t.asked),
		VersionTold: share(t.version, t.asked-t.silent), VersionWrong: t.wrong, Seconds: round(kit.Quantile(took, 0.5))}
	if f.NmapSeconds, err = b.nmap(out); err != nil {
		return err
	}
	return kit.Print(out, "identify", f)
}

func round(d time.Duration) float64 { return math.Round(d.Seconds()*100) / 100 }

// scan runs the scanner over the bed and returns what it printed of each port.
func (b *bed) scan(recog string) (map[string]port, time.Duration, error) {
	binary, err := kit.Binary()
	if err != nil {
		return nil, 0, err
	}
	scope, err := b.scope()
	if err != nil {
		return nil, 0, err
	}
	c := b.inside(binary, "surface", "scan", "--scope", scope, "--recog", recog, "--wait", "0s", "--log", filepath.Join(b.dir, "runs.jsonl"))
	c.Stderr = os.Stderr
	began := time.Now()
	said, err := c.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("the scan: %w", err)
	}
	took := time.Since(began)
	ports, err := parse(said)
	return ports, took, err
}

// scope authorises the bed, as fast as it goes.
func (b *bed) scope() (string, error) {
	var tcp, udp []string
	for _, s := range services {
		if p := strconv.Itoa(int(s.port)); s.udp {
			udp = append(udp, p)
		} else {
			tcp = append(tcp, p)
		}
	}
	file := filepath.Join(b.dir, "scope.yaml")
	return file, os.WriteFile(file, fmt.Appendf(nil, `owner: Bench
contact: bench@example.test
legal_basis: a namespace of our own
proof: {kind: letter, reference: none is needed, recorded_by: [bench, identify]}
ranges: [%s/32]
ports: [%s]
udp_ports: [%s]
rate: 1000000
caps: {address: 60000, network: 60000, owner: 1000000}
valid_until: %s
`, theirAddress, strings.Join(tcp, ","), strings.Join(udp, ","), time.Now().AddDate(0, 0, 1).UTC().Format(time.RFC3339)), 0o600)
}

// nmap asks the same ports, and is timed; nobody looks at what it says.
func (b *bed) nmap(out io.Writer) (float64, error) {
	if _, err := exec.LookPath("nmap"); err != nil {
		fmt.Fprintln(out, "nmap is not here and is left out; 'apt-get install nmap' brings it")
		return 0, nil
	}
	var ports []string
	for _, s := range services {
		kind := "T:"
		if s.udp {
			kind = "U:"
		}
		ports = append(ports, kind+strconv.Itoa(int(s.port)))
	}
	c := b.inside("nmap", "-sV", "-sS", "-sU", "-n", "-Pn", "-T4", "-oN", "/dev/null", "-p", strings.Join(ports, ","), theirAddress)
	began := time.Now()
	if err := c.Run(); err != nil { // Its output goes nowhere.
		return 0, fmt.Errorf("nmap: %w", err)
	}
	return round(time.Since(began)), nil
}
