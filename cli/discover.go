package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"noroshi/app"
	"noroshi/config"
	"noroshi/discovery"
	"noroshi/fault"
	"noroshi/observable"
	"noroshi/sense/discover"
	"noroshi/service"
)

// words is a flag that may be given several times, or with commas.
type words []string

func (l *words) String() string { return strings.Join(*l, ",") }

func (l *words) Set(s string) error {
	*l = append(*l, strings.Split(s, ",")...)
	return nil
}

// runDiscover walks from declared domains and prefixes: a line of JSON for each
// asset, and at the end one with the summary. It needs no hub.
func runDiscover(ctx context.Context, env *environment, args []string) error {
	const op = "cli.discover"
	var domains, prefixes, transfers, names words
	var o discover.Options
	fs, _ := flags(env, "discover")
	fs.Var(&domains, "domain", "a domain that the organisation declares as its own; several times, or with commas")
	fs.Var(&prefixes, "prefix", "a prefix of addresses that it declares; several times, or with commas")
	fs.Var(&transfers, "transfer", "DOMAIN@HOST:PORT: the zone may be transferred from that server")
	fs.Var(&names, "organisation", "how subjects of certificates call the organisation")
	fs.StringVar(&o.Resolver, "resolver", "", "ADDRESS:PORT of the resolver that is asked")
	fs.IntVar(&o.Queries, "queries", discover.DefaultQueries, "queries in all")
	fs.Float64Var(&o.Rate, "rate", discover.DefaultRate, "queries per second")
	fs.IntVar(&o.Depth, "depth", discover.DefaultDepth, "how many names away from the declared ones")
	ports := fs.String("ports", "", "what 'noroshi surface scan' printed: the names in the certificates that it saw")
	if err := parse(fs, args); err != nil {
		return err
	}
	switch {
	case len(domains)+len(prefixes) == 0:
		return fault.New(fault.Invalid, op, "say what the organisation declares: --domain NAME or --prefix PREFIX")
	case o.Resolver == "":
		return fault.New(fault.Invalid, op, "say who is to be asked: --resolver ADDRESS:PORT")
	case o.Queries < 1 || o.Depth < 1 || o.Rate <= 0: // Zero would mean the default.
		return fault.New(fault.Invalid, op, "--queries, --rate and --depth are greater than 0")
	}
	s, err := seeds(domains, prefixes, transfers)
	if err != nil {
		return err
	}
	s.Organisation = names
	if *ports != "" {
		if s.Certificates, err = certificatesOf(*ports); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(env.out)
	lines := json.NewEncoder(out)
	summary, err := app.Discover(ctx, s, o, func(d app.Discovered) error { return lines.Encode(d) })
	if err != nil {
		return err
	}
	if err := errors.Join(lines.Encode(struct {
		Summary discovery.WalkSummary `json:"summary"`
	}{summary}), out.Flush()); err != nil {
		return fault.Wrap(op, err)
	}
	if summary.Ended != "done" {
		fmt.Fprintf(env.err, "the walk ended early (%s); what it found until then is printed\n", summary.Ended)
		return exitCode(1)
	}
	return nil
}

func seeds(domains, prefixes, transfers words) (discover.Seeds, error) {
	var s discover.Seeds
	from, err := config.Discovery{Transfers: transfers}.Servers()
	if err != nil {
		return s, fault.As(fault.Invalid, "cli.discover", err, "%s", fault.PublicOf(err)).At("--transfer")
	}
	for _, d := range domains {
		x, err := observable.ParseKind(observable.Domain, d)
		if err != nil {
			return s, fault.As(fault.Invalid, "cli.discover", err, "%s", fault.PublicOf(err)).At("--domain")
		}
		s.Domains = append(s.Domains, discover.Domain{Name: x.Value, Transfer: from[x.Value]})
		delete(from, x.Value)
	}
	for d := range from {
		return s, fault.New(fault.Invalid, "cli.discover", "%q is none of the declared domains", d).At("--transfer")
	}
	for _, p := range prefixes {
		x, err := netip.ParsePrefix(p)
		if err != nil {
			return s, fault.As(fault.Invalid, "cli.discover", err, "%q is no prefix, such as 192.0.2.0/24", p).At("--prefix")
		}
		s.Prefixes = append(s.Prefixes, x.Masked())
	}
	return s, nil
}

const maxLine = 1 << 20

// certificatesOf reads the certificates out of the lines of a surface scan.
func certificatesOf(file string) (out []discovery.Seen, err error) {
	const op = "cli.discover"
	f, err := os.Open(file)
	if err != nil {
		return nil, fault.As(fault.NotFound, op, err, "the ports cannot be read: %v", err).At("%s", file)
	}
	defer func() { _ = f.Close() }() // It was only read.
	lines := bufio.NewScanner(io.LimitReader(f, 1<<30))
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		var p service.Port
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, fault.As(fault.Invalid, op, err, "it is no line of a surface scan: %v", err).At("%s, line %d", file, n)
		}
		if p.TLS == nil || len(p.TLS.Names) == 0 {
			continue
		}
		out = append(out, discovery.Seen{Names: p.TLS.Names, Organisation: discovery.OrganisationOf(p.TLS.Subject), Where: netip.AddrPortFrom(p.Address, p.Port).String(), At: p.FirstSeen})
	}
	if err := lines.Err(); err != nil {
		return nil, fault.As(fault.TooLarge, op, err, "the ports cannot be read: %v", err).At("%s", file)
	}
	return out, nil
}
