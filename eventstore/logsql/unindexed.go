package logsql

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"noroshi/fault"
	"noroshi/observable"
)

// Rows that were stored before there was an index have streams of class and
// node, later ones of class alone: so they are known, and looked for field by
// field, for as long as one is kept.
const unindexed = `{node!=""}`

// anyUnindexed tells whether some tenants still have such rows; where there are
// none, it reads no row.
func (s *Reader) anyUnindexed(ctx context.Context, a ask) (bool, error) {
	p, err := parse(unindexed+" | fields _time | limit 1", a.now)
	if err != nil {
		return false, fault.Wrap("logsql.unindexed", err)
	}
	p.AddTimeFilter(a.from.UnixNano(), a.to.UnixNano()-1)
	rows, err := s.run(ctx, a.question(p, 1))
	return len(rows) > 0, err
}

// restrict leaves of a question the rows that show one of some observables.
func (s *Reader) restrict(ctx context.Context, a *ask, all []observable.Observable) error {
	const op = "logsql.restrict"
	filter := showing(all)
	old, err := s.anyUnindexed(ctx, *a)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if old {
		each := make([]string, len(all))
		for i, o := range all {
			each[i] = byField(o)
		}
		filter = either(filter, "("+unindexed+" and "+either(each...)+")")
	}
	a.also = filter
	return nil
}

// byField finds every row which may show an observable, by the fields in which
// an event may have it.
func byField(o observable.Observable) string {
	v := quote(o.Value)
	switch o.Kind {
	case observable.Domain:
		// A phrase is found with whatever labels stand before it.
		return either(`"query.hostname":`+v, `"answers.rdata":`+v, `"src_endpoint.hostname":`+v, `"dst_endpoint.hostname":`+v, inCommands(inText(o)))
	case observable.IPv4, observable.IPv6:
		return either(`"src_endpoint.ip":=`+v, `"dst_endpoint.ip":=`+v, `"answers.rdata":`+v, inCommands(inText(o)))
	case observable.CIDR:
		return rangeByField(o)
	case observable.URL:
		h, _ := o.Host()
		return inCommands(inText(h))
	}
	hash := `.file.hashes.` + string(o.Kind) + `":` + v
	return either(`"process`+hash, `"actor.process`+hash, inCommands(`i(`+v+`)`))
}

func either(filters ...string) string { return "(" + strings.Join(filters, " or ") + ")" }

// inCommands looks for a filter in command lines.
func inCommands(filter string) string {
	return either(`"process.cmd_line":`+filter, `"actor.process.cmd_line":`+filter)
}

// odd are URLs whose host may be written in another way than its normal form:
// with percent signs, in brackets, or in letters beyond ASCII. Ranges are named
// from end to end, since the engine takes long over a class that excludes.
const odd = `~"://[!-.0-~]*[%\\[\u0080-\uffff]"`

// inText is the filter that finds a name or an address in a command line, in
// capitals and small letters.
func inText(o observable.Observable) string {
	f := []string{`i(` + quote(o.Value) + `)`, odd}
	if u, err := idna.ToUnicode(o.Value); err == nil && u != o.Value {
		f = append(f, `i(`+quote(u)+`)`)
	}
	return either(f...)
}

// rangeByField finds the addresses of a range. In text they begin with the
// range's whole octets, or with its groups up to the first zero, where
// shortening begins.
func rangeByField(o observable.Observable) string {
	p, err := netip.ParsePrefix(o.Value)
	if err != nil {
		return "*" // It cannot be; the one who asked looks at all.
	}
	in, text, command := "ipv4_range("+quote(o.Value)+")", "", odd
	b := p.Addr().AsSlice()
	if p.Addr().Is4() {
		for i := range p.Bits() / 8 {
			text += strconv.Itoa(int(b[i])) + "."
		}
		command = either(quote(text)+"*", odd)
	} else {
		in = "ipv6_range(" + quote(o.Value) + ")"
		for i := 0; i < p.Bits()/16; i++ {
			group := int64(b[2*i])<<8 | int64(b[2*i+1])
			if group == 0 {
				break
			}
			text += strconv.FormatInt(group, 16) + ":"
		}
	}
	return either(`"src_endpoint.ip":`+in, `"dst_endpoint.ip":`+in, `"answers.rdata":`+quote(text)+`*`, inCommands(command))
}
