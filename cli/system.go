package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"noroshi/analyse/systems"
	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/fault"
	"noroshi/ident"
)

const opSystem = "cli.system"

// systemVerbs are what may be said about systems, with how many words each takes.
var systemVerbs = map[string]struct {
	words int
	do    func(context.Context, *actionCommand, func() ([]string, operator.Client, error)) error
}{
	"list": {0, listSystems}, "add": {1, addSystem}, "show": {1, showSystem}, "upload": {2, uploadBill}, "bill": {1, fetchBill},
	"compare": {1, compareBills}, "change": {1, changeSystem}, "retire": {1, retireSystem},
	"decide": {1, decide}, "judge": {2, judge}, "decisions": {0, listDecisions}, "withdraw": {1, withdrawDecisions}, "vex": {0, tellVEX}, "licenses": {0, listLicenses},
}

func runSystem(ctx context.Context, env *environment, args []string) error {
	if len(args) == 0 || systemVerbs[args[0]].do == nil {
		return fault.New(fault.Invalid, opSystem, "say what: noroshi system list, add NAME --org SLUG, show SYSTEM, upload SYSTEM FILE, bill SYSTEM, compare SYSTEM, change SYSTEM, retire SYSTEM, judge SYSTEM CVE --status STATUS, decide FILE --org SLUG, decisions, withdraw DECISION --reason TEXT, licenses or vex --system NAME")
	}
	verb := systemVerbs[args[0]]
	c := asking(env, "system "+args[0])
	return verb.do(ctx, c, func() ([]string, operator.Client, error) {
		rest, err := anyOrder(c.fs, args[1:])
		if err == nil && len(rest) != verb.words {
			err = fault.New(fault.Invalid, opSystem, "noroshi system %s takes %d words beside its flags; --help shows these", args[0], verb.words)
		}
		if err != nil {
			return nil, operator.Client{}, err
		}
		hub, err := c.get(ctx)
		return rest, hub, err
	})
}

// factsFlags are what people say of a system.
func factsFlags(fs *flag.FlagSet, f *systems.Facts) {
	fs.StringVar(&f.Owner, "owner", f.Owner, "the person or team that answers for it")
	fs.StringVar(&f.Importance, "importance", f.Importance, "low, medium or high")
	fs.Func("seen-as", "names and addresses by which it is reached from the Internet, parted by commas; empty for none", func(s string) error {
		f.SeenAs = nil
		if s != "" {
			f.SeenAs = strings.Split(s, ",")
		}
		return nil
	})
}

func listSystems(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	q := url.Values{"limit": {"500"}}
	for name, help := range map[string]string{"q": "text in names, owners and addresses", "importance": "low, medium or high", "cursor": "where the page before ended"} {
		c.fs.Func(name, help, func(v string) error { q.Set(name, v); return nil })
	}
	c.fs.BoolFunc("retired", "those that are not operated any more", func(v string) error { q.Set("retired", v); return nil })
	slug := c.fs.String("org", "", "of one organisation, by its short name")
	_, hub, err := parse()
	if err != nil {
		return err
	}
	if err := within(ctx, hub, *slug, q); err != nil {
		return err
	}
	var p api.Systems
	if err := hub.Get(ctx, "/api/v1/systems?"+q.Encode(), &p); err != nil {
		return err
	}
	if done, err := c.print(p); done {
		return err
	}
	of, err := slugs(ctx, hub)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, c.in("ID\tORGANISATION\tSYSTEM\tVERSION\tCOMPONENTS\tQUALITY\tIMPORTANCE\tOWNER", "識別子\t組織\tシステム\t版\t部品数\t品質\t重要度\t担当"))
	for _, s := range p.Items {
		version, components, quality := c.in("no bill", "未提出"), "", ""
		if b := s.InForce; b != nil {
			version, components, quality = b.Version, strconv.Itoa(b.Components), strconv.Itoa(b.Quality)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, of[s.Org], plain(s.Name), plain(version), components, quality, s.Importance, plain(s.Owner))
	}
	if p.Next != "" {
		fmt.Fprintln(t, c.in("more: --cursor ", "続き: --cursor ")+p.Next)
	}
	return fault.Wrap(opSystem, t.Flush())
}

func addSystem(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	var f systems.Facts
	factsFlags(c.fs, &f)
	slug := c.fs.String("org", "", "the organisation whose it is, by its short name")
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	f.Name = rest[0]
	s, err := addTo(ctx, hub, *slug, f)
	if err != nil {
		return err
	}
	return c.said(s, "%s is known as %s\n", "%s を %s として登録しました\n", s.Name, string(s.ID))
}

func addTo(ctx context.Context, hub operator.Client, slug string, f systems.Facts) (s systems.System, err error) {
	id, err := bySlug(ctx, hub, slug)
	if err != nil {
		return s, err
	}
	err = hub.Post(ctx, "/api/v1/systems", struct {
		systems.Facts
		Org ident.ID `json:"org"`
	}{f, id}, &s)
	return s, err
}

// said prints what became of something.
func (c *actionCommand) said(v any, en, ja string, args ...any) error {
	if done, err := c.print(v); done {
		return err
	}
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = plain(s)
		}
	}
	fmt.Fprintf(c.env.out, c.in(en, ja), args...)
	return nil
}

// find finds a system by its identifier, or by a name that only one has.
func find(ctx context.Context, hub operator.Client, name string) (d api.SystemDetail, err error) {
	id := name
	if _, err := ident.Parse(ident.BOM, name); err != nil {
		var p api.Systems
		if err := hub.Get(ctx, "/api/v1/systems?limit=500&q="+url.QueryEscape(name), &p); err != nil {
			return d, err
		}
		var found []string
		for _, s := range p.Items {
			if s.Name == name {
				found = append(found, string(s.ID))
			}
		}
		switch len(found) {
		case 0:
			return d, fault.New(fault.NotFound, opSystem, "there is no system %q; noroshi system list shows them", name)
		case 1:
			id = found[0]
		default:
			return d, fault.New(fault.Invalid, opSystem, "%d systems are called %q; say which by its identifier: %s", len(found), name, strings.Join(found, ", "))
		}
	}
	err = hub.Get(ctx, "/api/v1/systems/"+url.PathEscape(id), &d)
	return d, err
}

func showSystem(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	d, err := find(ctx, hub, rest[0])
	if err != nil {
		return err
	}
	if done, err := c.print(d); done {
		return err
	}
	s := d.System
	t := tabwriter.NewWriter(c.env.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\t%s\n", s.ID, plain(s.Name))
	fmt.Fprintf(t, "%s\t%s\n%s\t%s\n%s\t%s\n", c.in("owner", "担当"), plain(s.Owner), c.in("importance", "重要度"), s.Importance, c.in("seen as", "外部公開"), plain(strings.Join(s.SeenAs, " ")))
	for _, b := range d.Bills {
		fmt.Fprintf(t, c.in("bill %d\tversion %s, %s, %d components, quality %d, sha256:%s, %s\n", "部品表 %d\t版 %s、%s、部品 %d、品質 %d、sha256:%s、%s\n"),
			b.Number, plain(b.Version), plain(b.Format), b.Components, b.Quality, b.SHA256, b.At.Local().Format("2006-01-02 15:04"))
	}
	for _, h := range d.Found.Hits {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", plain(h.Weakness), plain(h.Component), plain(orNone(h.Fixed)), plain(through(h.Path)), plain(c.decision(h.Decision)))
	}
	fmt.Fprintf(t, c.in("%d hits, %d decided to be none\n", "該当 %d件、影響なしと判断 %d件\n"), d.Found.Total, d.Found.Decided)
	for _, l := range d.Licenses {
		fmt.Fprintf(t, c.in("license\t%s\t%d components\n", "ライセンス\t%s\t部品 %d件\n"), c.license(l.License), l.Components)
	}
	for why, n := range d.Found.Unjudged {
		fmt.Fprintf(t, c.in("%d components were not judged: %s\n", "判定できない部品 %d件: %s\n"), n, why)
	}
	return fault.Wrap(opSystem, t.Flush())
}

func uploadBill(ctx context.Context, c *actionCommand, parse func() ([]string, operator.Client, error)) error {
	version := c.fs.String("version", "", "which version of the system it is of; as the file says when left out")
	digest := c.fs.String("sha256", "", "what the file's SHA-256 must be")
	rest, hub, err := parse()
	if err != nil {
		return err
	}
	content, err := readUpTo(rest[1], systems.MaxDocument)
	if err != nil {
		return err
	}
	d, err := find(ctx, hub, rest[0])
	if err != nil {
		return err
	}
	return c.upload(ctx, hub, d.System, *version, *digest, content)
}

func (c *actionCommand) upload(ctx context.Context, hub operator.Client, s systems.System, version, digest string, content []byte) error {
	if digest == "" { // So that what changes on the way is noticed.
		sum := sha256.Sum256(content)
		digest = hex.EncodeToString(sum[:])
	}
	q := url.Values{"version": {version}, "sha256": {digest}}
	var b systems.Bill
	if err := hub.Send(ctx, "/api/v1/systems/"+url.PathEscape(string(s.ID))+"/bills?"+q.Encode(), content, &b); err != nil {
		return err
	}
	return c.said(b, "%s: bill %d, version %s, %d components, quality %d\n", "%s: 部品表 %d、版 %s、部品 %d、品質 %d\n", s.Name, b.Number, b.Version, b.Components, b.Quality)
}

// handIn hands a bill of materials in that was just made.
func (c *actionCommand) handIn(ctx context.Context, name, slug, version string, content []byte) error {
	hub, err := c.get(ctx)
	if err != nil {
		return err
	}
	d, err := find(ctx, hub, name)
	if fault.KindOf(err) == fault.NotFound && slug != "" {
		d.System, err = addTo(ctx, hub, slug, systems.Facts{Name: name})
	}
	if err != nil {
		return err
	}
	return c.upload(ctx, hub, d.System, version, "", content)
}

// readUpTo reads a file that has at most so many bytes.
func readUpTo(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.As(fault.NotFound, opSystem, err, "%v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fault.As(fault.Invalid, opSystem, err, "%v", err)
	}
	if int64(len(b)) > most {
		return nil, fault.New(fault.TooLarge, opSystem, "it is larger than the %d MiB that the hub takes", most>>20).At("%s", name)
	}
	return b, nil
}
