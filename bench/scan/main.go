// Command scan measures the scanner beside masscan and zmap: what a probe costs
// in processor time, with equal numbers of probes on a pair of virtual Ethernet
// ends, by turns; and whether an answer is lost at 200,000 packets a second. The
// other tools come from Debian's packages masscan and zmap; one that is absent
// is left out, and said to be.
package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"

	"noroshi/bench/kit"
)

func main() {
	// What the bench starts of itself in its second namespace, until standard input ends.
	responder := flag.String("respond", "", "answer every probe on this interface")
	sunk := flag.String("sink", "", "drop every probe on this interface")
	rounds := flag.Int("rounds", 3, "how often each tool sends")
	bits := flag.Int("bits", 9, "length of the prefix that is probed once per round: 9 are 8,388,608 addresses")
	flag.Parse()
	var err error
	if *sunk != "" {
		err = sink(*sunk, os.Stdin, os.Stdout)
	} else if *responder != "" {
		err = respond(*responder, os.Stdin, os.Stdout)
	} else {
		err = bench(os.Stdout, *rounds, *bits)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench scan:", err)
		os.Exit(1)
	}
}

// figures is what the last line says. A ratio of nought is a tool that was
// absent.
type figures struct {
	PPSPerCPU float64 `json:"pps_per_cpu_s"`
	VsMasscan float64 `json:"vs_masscan"`
	VsZmap    float64 `json:"vs_zmap"`
	Lost      int64   `json:"lost_at_200k"`
}

func bench(out io.Writer, rounds, bits int) error {
	if os.Getuid() != 0 {
		return fmt.Errorf("network namespaces and raw sockets need root")
	}
	if bits < 9 || bits > 16 {
		return fmt.Errorf("-bits takes 9 to 16")
	}
	w, err := newWire()
	if err != nil {
		return err
	}
	defer w.remove()
	fmt.Fprintln(out, kit.Machine())
	all, err := tools(out, w, bits)
	if err != nil {
		return err
	}
	cost := map[string][]float64{}
	for round := range rounds {
		// Each round begins with another tool, so that none always comes first.
		for i := range all {
			t := all[(i+round)%len(all)]
			m, err := w.measure(t)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			fmt.Fprintf(out, "  round %d  %-8s %9d packets  %6.2f s  %6.2f CPU s  %8.0f packets per CPU-second\n", round+1, t.name, m.packets, m.wall.Seconds(), m.cpu.Seconds(), m.perCPU())
			if want := int64(1) << (32 - bits); m.packets < want {
				fmt.Fprintf(out, "    %d packets fewer than the %d probes arrived\n", want-m.packets, want)
			}
			cost[t.name] = append(cost[t.name], m.perCPU())
		}
	}
	lost, err := w.lost(out)
	if err != nil {
		return err
	}
	ours := median(cost["noroshi"])
	f := figures{PPSPerCPU: math.Round(ours), Lost: lost}
	for name, to := range map[string]*float64{"masscan": &f.VsMasscan, "zmap": &f.VsZmap} {
		if theirs := median(cost[name]); theirs > 0 {
			*to = math.Round(100*ours/theirs) / 100
		}
	}
	return kit.Print(out, "scan", f)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// tool is one scanner and how it is told to send.
type tool struct {
	name string
	args []string
}

// tools are those that are here. Every one probes the same addresses once, at
// one port, as fast as it can, and waits two seconds for answers.
func tools(out io.Writer, w *wire, bits int) ([]tool, error) {
	binary, err := kit.Binary()
	if err != nil {
		return nil, err
	}
	scope, err := w.scope(fmt.Sprintf("10.128.0.0/%d", bits), 10_000_000)
	if err != nil {
		return nil, err
	}
	target := fmt.Sprintf("10.128.0.0/%d", bits)
	all := []tool{{"noroshi", append([]string{binary}, w.scan(scope)...)}}
	for _, t := range []tool{
		{"masscan", []string{"masscan", target, "-p8022", "--rate", "10000000", "--wait", "2", "-e", "eth0", "--source-ip", ourAddress, "--source-port", "61001", "--router-mac", w.router, "-oJ", "/dev/null"}},
		{"zmap", []string{"zmap", "-p", "8022", "-r", "0", "-i", "eth0", "-G", w.router, "-S", ourAddress, "-c", "2", "-T", "1", "-b", "/dev/null", "-o", "/dev/null", "-q", target}},
	} {
		if _, err := exec.LookPath(t.name); err != nil {
			fmt.Fprintf(out, "%s is not here and is left out; 'apt-get install %s' brings it\n", t.name, t.name)
			continue
		}
		all = append(all, t)
	}
	return all, nil
}
