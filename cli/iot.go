package cli

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"noroshi/analyse/iot"
	"noroshi/analyse/iot/infected"
	"noroshi/content"
	"noroshi/fault"
)

// iotCommand judges what was seen of devices; it needs no hub and asks no device.
func iotCommand(_ context.Context, env *environment, args []string) error {
	verbs := map[string]func(*environment, []string) error{"classify": classify, "infected": findInfected}
	if len(args) == 0 || verbs[args[0]] == nil {
		return fault.New(fault.Invalid, "cli.iot", "say what: noroshi iot classify FILE, or infected --darknet FILE | --flows FILE")
	}
	return verbs[args[0]](env, args[1:])
}

// input opens a file, or standard input for "-".
func input(env *environment, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(env.in), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.As(fault.NotFound, "cli.input", err, "%v", err)
	}
	return f, nil
}

// readScan reads the lines of a scan, and the rules that judge them.
func readScan(env *environment, name string) (*iot.Rules, iot.Scan, error) {
	rules, err := iot.Load(content.Devices())
	if err != nil {
		return nil, iot.Scan{}, err
	}
	f, err := input(env, name)
	if err != nil {
		return nil, iot.Scan{}, err
	}
	defer func() { _ = f.Close() }() // It was only read.
	s, err := iot.ReadScan(f)
	return rules, s, err
}

func classify(env *environment, args []string) error {
	fs := flag.NewFlagSet("noroshi iot classify FILE", flag.ContinueOnError)
	fs.SetOutput(env.err)
	asJSON := fs.Bool("json", false, "a line of JSON for each device, with the texts that say so")
	lang := fs.String("lang", "en", "language of the sentences: en or ja")
	rest, err := anyOrder(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 || *lang != "en" && *lang != "ja" {
		return fault.New(fault.Invalid, "cli.iot", "say of which scan: noroshi iot classify [--json] [--lang en|ja] FILE, or - for standard input")
	}
	rules, scan, err := readScan(env, rest[0])
	if err != nil {
		return err
	}
	lines := json.NewEncoder(env.out)
	w := tabwriter.NewWriter(env.out, 0, 0, 2, ' ', 0)
	if !*asJSON {
		fmt.Fprintln(w, "ADDRESS\tTYPE\tDEVICE\tFIRMWARE\tSURE\tWEAK")
	}
	devices, weak := 0, 0
	for _, host := range scan.Hosts {
		for _, j := range rules.Judge(host) {
			devices++
			if len(j.Weaknesses) > 0 {
				weak++
			}
			if *asJSON {
				err = lines.Encode(j)
			} else {
				tell(w, rules, j, *lang)
			}
			if err != nil {
				return fault.Wrap("cli.iot", err)
			}
		}
	}
	if *asJSON {
		return nil
	}
	if err := w.Flush(); err != nil {
		return fault.Wrap("cli.iot", err)
	}
	fmt.Fprintf(env.out, "%d addresses answered, %d devices, %d of them weak\n", len(scan.Hosts), devices, weak)
	return nil
}

// tell writes a line for a device and each of its weaknesses.
func tell(w io.Writer, rules *iot.Rules, j iot.Judged, lang string) {
	d := j.Device
	head := []string{d.Address.String(), string(d.Kind), plain(orDash(rules.Name(d, lang))), plain(orDash(d.Firmware)), fmt.Sprintf("%d %%", d.Confidence)}
	if d.Confidence == 0 {
		head[4] = "–"
	}
	if len(j.Weaknesses) == 0 {
		fmt.Fprintln(w, strings.Join(head, "\t")+"\t–")
	}
	for i, x := range j.Weaknesses {
		if i > 0 {
			head = make([]string, len(head))
		}
		title := x.Title
		if lang == "ja" {
			title = x.TitleJA
		}
		if x.Threat.KEV {
			title += " (KEV)"
		}
		fmt.Fprintf(w, "%s\t%s %s %s: %s\n", strings.Join(head, "\t"), x.Level, x.Place, x.Name, title)
	}
}

func findInfected(env *environment, args []string) error {
	fs := flag.NewFlagSet("noroshi iot infected", flag.ContinueOnError)
	fs.SetOutput(env.err)
	o := observationFlags(fs)
	asJSON := fs.Bool("json", false, "a line of JSON for each verdict")
	lang := fs.String("lang", "en", "language of the sentences: en or ja")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *lang != "en" && *lang != "ja" {
		return fault.New(fault.Invalid, "cli.iot", "--lang takes en or ja")
	}
	w, err := o.watch(env)
	if err != nil {
		return err
	}
	lines := json.NewEncoder(env.out)
	verdicts := w.Verdicts(true)
	for _, v := range verdicts {
		if *asJSON {
			err = lines.Encode(v)
		} else {
			_, err = fmt.Fprintf(env.out, "%s  %s  %s  %d %%  %s\n", v.Day, v.Address, v.Kind, v.Confidence, v.Text(*lang))
		}
		if err != nil {
			return fault.Wrap("cli.iot", err)
		}
	}
	c := w.Count
	fmt.Fprintf(env.err, "%d observations, %d passed over, %d came late, %d addresses forgotten for want of room; %d verdicts\n", c.Seen, c.Passed, c.Late, c.Forgotten, len(verdicts))
	return nil
}

// observations are what was seen of devices, as flags say it.
type observations struct{ darknet, flows, ranges, zone *string }

func observationFlags(fs *flag.FlagSet) observations {
	return observations{fs.String("darknet", "", "packets seen at unused addresses, a line of JSON for each (docs/iot.md), or - for standard input"),
		fs.String("flows", "", "flows that left the ranges, a line of JSON for each"), fs.String("ranges", "", "only sources in these ranges, parted by commas"),
		fs.String("zone", "JST", "whose days: JST, or a name such as Europe/Paris")}
}

// watch reads them.
func (o observations) watch(env *environment) (*infected.Watch, error) {
	if (*o.darknet == "") == (*o.flows == "") {
		return nil, fault.New(fault.Invalid, "cli.iot", "say what was seen: --darknet FILE, or --flows FILE")
	}
	w, err := newWatch(*o.ranges, *o.zone)
	if err != nil {
		return nil, err
	}
	name, read := *o.darknet, w.ReadDarknet
	if name == "" {
		name, read = *o.flows, w.ReadFlows
	}
	f, err := input(env, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // It was only read.
	return w, read(f)
}

func newWatch(ranges, zone string) (*infected.Watch, error) {
	cfg := infected.Config{Zone: iot.JST}
	if zone != "JST" {
		var err error
		if cfg.Zone, err = time.LoadLocation(zone); err != nil {
			return nil, fault.As(fault.Invalid, "cli.iot", err, "there is no zone %q here; write JST, UTC or Europe/Paris", zone)
		}
	}
	var err error
	if cfg.Ranges, err = prefixes(ranges); err != nil {
		return nil, err
	}
	return infected.New(cfg), nil
}

// prefixes reads ranges that are parted by commas.
func prefixes(list string) (out []netip.Prefix, err error) {
	for text := range strings.SplitSeq(list, ",") {
		if text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fault.As(fault.Invalid, "cli.iot", err, "%q is no range; write 192.0.2.0/24", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
