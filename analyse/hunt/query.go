package hunt

import (
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"noroshi/fault"
	"noroshi/observable"
)

// Query is the LogsQL that finds every event which may show an observable, by
// the index where the store has one. What it finds is a little more than what
// the live matcher takes for a sighting: the matcher then decides.
func Query(o observable.Observable) (string, error) {
	v := quote(o.Value)
	switch o.Kind {
	case observable.Domain:
		// A phrase is found with whatever labels stand before it.
		return either(`"query.hostname":`+v, `"answers.rdata":`+v, `"src_endpoint.hostname":`+v, `"dst_endpoint.hostname":`+v, commands(host(o))), nil
	case observable.IPv4, observable.IPv6:
		return either(`"src_endpoint.ip":=`+v, `"dst_endpoint.ip":=`+v, `"answers.rdata":`+v, commands(host(o))), nil
	case observable.CIDR:
		return rangeQuery(o)
	case observable.URL:
		h, ok := o.Host()
		if !ok {
			return "", fault.New(fault.Invalid, "hunt.query", "%q has no host", o.Value)
		}
		return commands(host(h)), nil
	case observable.MD5, observable.SHA1, observable.SHA256:
		hash := `.file.hashes.` + string(o.Kind) + `":` + v
		return either(`"process`+hash, `"actor.process`+hash, commands(`i(`+v+`)`)), nil
	}
	return "", fault.New(fault.Invalid, "hunt.query", "a %q cannot be looked for", o.Kind)
}

func quote(s string) string { return strconv.Quote(s) }

func either(filters ...string) string { return "(" + strings.Join(filters, " or ") + ")" }

// commands looks for a filter in command lines.
func commands(filter string) string {
	return either(`"process.cmd_line":`+filter, `"actor.process.cmd_line":`+filter)
}

// odd are URLs whose host may be written in another way than its normal form:
// with percent signs, in brackets, or in letters beyond ASCII. Ranges are named
// from end to end, since the engine takes long over a class that excludes.
const odd = `~"://[!-.0-~]*[%\\[\u0080-\uffff]"`

// host is the filter that finds a name or an address in a command line, in
// capitals and small letters.
func host(o observable.Observable) string {
	f := []string{`i(` + quote(o.Value) + `)`, odd}
	if u, err := idna.ToUnicode(o.Value); err == nil && u != o.Value {
		f = append(f, `i(`+quote(u)+`)`)
	}
	return either(f...)
}

// rangeQuery finds the addresses of a range. In text they begin with the range's
// whole octets, or with its groups up to the first zero, where shortening begins.
func rangeQuery(o observable.Observable) (string, error) {
	p, err := netip.ParsePrefix(o.Value)
	if err != nil {
		return "", fault.As(fault.Invalid, "hunt.query", err, "%q is not a range", o.Value)
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
	return either(`"src_endpoint.ip":`+in, `"dst_endpoint.ip":`+in, `"answers.rdata":`+quote(text)+`*`, commands(command)), nil
}
