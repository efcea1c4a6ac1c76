package notice

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/sheet"
)

// Letter is a notice in plain words with the owner's link in it. Whoever has the
// link may do what an owner may, so it is for those who send.
func (n *Notices) Letter(ctx context.Context, s access.Scope, id ident.ID) (Letter, error) {
	x, err := n.Get(ctx, s, id)
	if err != nil {
		return Letter{}, err
	}
	return n.letter(x, n.link(x)), nil
}

// Write is a notice in plain words without the owner's link, for those who may
// read it.
func (n *Notices) Write(x Notice) Letter { return n.letter(x, "") }

// link is the owner's page; "" when the platform does not know where owners reach
// it.
func (n *Notices) link(x Notice) string {
	base := n.d.Link()
	if base == "" {
		return ""
	}
	return strings.TrimSuffix(base, "/") + CheckPath + n.Token(x.ID)
}

// CheckPath is where owners' pages are.
const CheckPath = "/check/"

// columns of the table for providers. With address, port and time a provider finds
// its subscriber; the platform never does.
var columns = []string{"notice", "state", "address", "places", "first_seen", "last_seen", "group", "level", "exploited", "type", "maker", "device", "device_ja", "firmware", "weaknesses", "titles", "titles_ja", "link"}

const maxExport = 20_000

// Export writes the notices of a filter as a table (RFC 4180), for the provider.
func (n *Notices) Export(ctx context.Context, s access.Scope, f Filter) ([]byte, error) {
	const op = "notice.export"
	var b bytes.Buffer
	w := sheet.New(&b, columns...)
	f.Limit = ledger.MaxPage
	for total := 0; ; {
		p, err := n.List(ctx, s, f)
		if err != nil {
			return nil, err
		}
		if total += len(p.Items); total > maxExport {
			return nil, fault.New(fault.TooLarge, op, "more than %d notices are exported in parts: choose a provider, a state or a group", maxExport)
		}
		for _, x := range p.Items {
			w.Line(n.line(x)...)
		}
		if p.Next == "" {
			break
		}
		f.Cursor = p.Next
	}
	err := w.Flush()
	return b.Bytes(), fault.Wrap(op, err)
}

// maxCell bounds a cell, in bytes: devices say what they like.
const maxCell = 4000

func (n *Notices) line(x Notice) []string {
	var places, names, en, ja []string
	kev := "no"
	for _, w := range x.Weak {
		if !slices.Contains(places, w.Place) {
			places = append(places, w.Place)
		}
		names, en, ja = append(names, w.Name), append(en, w.Title), append(ja, w.TitleJA)
		if w.KEV {
			kev = "yes"
		}
	}
	line := []string{string(x.ID), string(x.State), x.Device.Address.String(), strings.Join(places, " "), x.FirstSeen.Format(time.RFC3339), x.LastSeen.Format(time.RFC3339), string(x.Group), string(x.Level()), kev,
		x.Device.Kind, x.Device.Maker, x.Device.Name, x.Device.NameJA, x.Device.Firmware, strings.Join(names, " "), strings.Join(en, "; "), strings.Join(ja, "; "), n.link(x)}
	for i := range line {
		line[i] = clip(line[i], maxCell)
	}
	return line
}
