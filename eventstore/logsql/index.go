package logsql

import (
	"net/netip"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/event"
	"noroshi/observable"
)

// The engine keeps a bloom filter of the words of each block's fields, so that
// what stands nowhere costs nothing. But a name or an address is several words,
// which for themselves ("com", "192") stand everywhere. So each row has fields
// with the observables of its event, each as a chain of words joined by dots:
// first the word of the thing itself, then those of what it lies in (a name's
// parents, an address's ranges). A word is 29 bits of a hash. Whatever is
// looked for is the beginning of a chain of its own, so its first two words are
// a phrase in each chain that goes through it; two, because one of a thousand
// words that are nowhere seems to be in a block, but hardly one of a million
// pairs. What is found by chance is told apart by who searched.
//
// There is a field for each kind of thing, because each phrase is tried on the
// filter of each block that has its field: so no hash is looked for among
// names, nor anywhere where no program was seen.
const (
	domainField = "observables.domain"
	ipv4Field   = "observables.ipv4"
	ipv6Field   = "observables.ipv6"
	md5Field    = "observables.md5"
	sha1Field   = "observables.sha1"
	sha256Field = "observables.sha256"
	urlField    = "observables.url"
)

// indexFields are all of them, in the order of their names.
var indexFields = [...]string{domainField, ipv4Field, ipv6Field, md5Field, sha1Field, sha256Field, urlField}

// indexField is where an observable is indexed.
func indexField(o observable.Observable) string {
	switch o.Kind {
	case observable.Domain:
		return domainField
	case observable.IPv4:
		return ipv4Field
	case observable.IPv6:
		return ipv6Field
	case observable.CIDR:
		if strings.Contains(o.Value, ":") {
			return ipv6Field
		}
		return ipv4Field
	case observable.MD5:
		return md5Field
	case observable.SHA1:
		return sha1Field
	case observable.SHA256:
		return sha256Field
	}
	return urlField
}

// maxLabels of a name have a word; a deeper name is found by its last ones.
const maxLabels = 8

// The lengths of an address's ranges that have a word.
var levels4, levels6 = []int{24, 16}, []int{64, 48, 32}

// appendIndex adds the fields with the chains of an event's observables.
func appendIndex(fields []logstorage.Field, all []event.Observable) []logstorage.Field {
	b := make([]byte, 0, 28*len(all))
	var ends [len(indexFields)]int
	for i, name := range indexFields {
		for j := range all {
			if o := all[j].Observable; indexField(o) == name {
				b = appendChain(b, o)
			}
		}
		ends[i] = len(b)
	}
	text, start := string(b), 0
	for i, end := range ends {
		if end > start {
			fields = append(fields, logstorage.Field{Name: indexFields[i], Value: text[start : end-1]})
		}
		start = end
	}
	return fields
}

// appendChain writes a chain and a space behind it. A name of one label, which
// no indicator has, gets none.
func appendChain(dst []byte, o observable.Observable) []byte {
	var links [maxLabels]uint64 // The last is that of the thing itself.
	n := 0
	switch o.Kind {
	case observable.Domain:
		n = nameLinks(&links, o.Value)
	case observable.IPv4, observable.IPv6:
		if a, err := netip.ParseAddr(o.Value); err == nil {
			n = rangeLinks(&links, netip.PrefixFrom(a, a.BitLen()))
		}
	case observable.CIDR:
		if p, err := netip.ParsePrefix(o.Value); err == nil {
			n = rangeLinks(&links, p)
		}
	default:
		links[0] = hash(offset, o.Value)
		n = 1
	}
	if n == 0 {
		return dst
	}
	for i := n - 1; i >= 0; i-- {
		dst = append(appendWord(dst, links[i]), '.')
	}
	return append(appendWord(dst, links[0]>>32), ' ') // So that the last has a second word too.
}

// nameLinks hashes a name from its end, and so each parent on the way.
func nameLinks(links *[maxLabels]uint64, name string) (n int) {
	h, labels := uint64(offset), 0
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			if labels++; labels > 1 {
				links[n] = mix(h)
				n++
			}
			if labels == maxLabels {
				return n
			}
		}
		h = (h ^ uint64(name[i])) * prime
	}
	if labels > 0 {
		links[n] = mix(h)
		n++
	}
	return n
}

// rangeLinks hashes a range and those around it, the widest first.
func rangeLinks(links *[maxLabels]uint64, p netip.Prefix) (n int) {
	levels := levels6
	if p.Addr().Is4() {
		levels = levels4
	}
	for i := len(levels) - 1; i >= 0; i-- {
		if levels[i] < p.Bits() {
			links[n] = hashRange(p.Addr(), levels[i])
			n++
		}
	}
	links[n] = hashRange(p.Addr(), p.Bits())
	return n + 1
}

func hashRange(a netip.Addr, bits int) uint64 {
	h := (offset ^ uint64(bits)) * prime
	if p, err := a.Prefix(bits); err == nil {
		b := p.Addr().As16()
		for _, c := range b {
			h = (h ^ uint64(c)) * prime
		}
	}
	return mix(h)
}

// The hash is FNV-1a with a finish, since words are cut from its bits. It is on
// disk: another one would find nothing of what is stored.
const (
	offset = 14695981039346656037
	prime  = 1099511628211
)

func hash(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return mix(h)
}

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

const digits = "0123456789abcdefghijklmnopqrstuv"

// appendWord writes the lower 29 bits. A word never is a number, which the
// engine would keep in another way.
func appendWord(dst []byte, h uint64) []byte {
	return append(dst, digits[10+h&15], digits[h>>4&31], digits[h>>9&31], digits[h>>14&31], digits[h>>19&31], digits[h>>24&31])
}

// phrases are what to look for: a row has one of them if its event shows o.
// Without phrases every event with an observable of its kind may.
func phrases(o observable.Observable) []string {
	if o.Kind == observable.CIDR {
		if p, err := netip.ParsePrefix(o.Value); err == nil {
			return rangePhrases(p)
		}
	}
	return []string{phrase(o)}
}

func phrase(o observable.Observable) string {
	c := string(appendChain(nil, o))
	first, rest, _ := strings.Cut(c, ".")
	second, _, _ := strings.Cut(rest[:len(rest)-1], ".")
	return first + "." + second
}

// maxSplit is in how many ranges of the index, as a power of two, one is split
// before the wider one that it lies in is searched.
const maxSplit = 8

func rangePhrases(p netip.Prefix) []string {
	levels := levels6
	if p.Addr().Is4() {
		levels = levels4
	}
	within, split := 0, 0
	for _, bits := range levels { // From the narrowest.
		switch {
		case bits > p.Bits() && bits-p.Bits() <= maxSplit:
			split = bits
		case bits <= p.Bits() && within == 0:
			within = bits
		}
	}
	switch {
	case split > 0 && within != p.Bits():
		return narrower(p, split)
	case within > 0:
		return []string{phrase(rangeOf(p.Addr(), within))}
	}
	return nil
}

func rangeOf(a netip.Addr, bits int) observable.Observable {
	return observable.Observable{Kind: observable.CIDR, Value: netip.PrefixFrom(a, bits).Masked().String()}
}

// narrower lists the phrases of the ranges of a length that a wider one consists
// of.
func narrower(p netip.Prefix, bits int) []string {
	var out []string
	b := p.Masked().Addr().AsSlice()
	last := bits/8 - 1 // All lengths end with a byte, and a split is within it.
	for i := range 1 << (bits - p.Bits()) {
		part := append([]byte(nil), b...)
		part[last] |= byte(i)
		a, _ := netip.AddrFromSlice(part)
		out = append(out, phrase(rangeOf(a, bits)))
	}
	return out
}

// showing is the filter that finds the rows of events that show one of some
// observables, and perhaps a few more.
func showing(all []observable.Observable) string {
	lists, every := map[string][]string{}, map[string]bool{}
	for _, o := range all {
		name, list := indexField(o), phrases(o)
		lists[name] = append(lists[name], list...)
		every[name] = every[name] || list == nil
	}
	var filters []string
	for _, name := range indexFields {
		switch {
		case every[name]:
			filters = append(filters, quote(name)+":*")
		case len(lists[name]) > 0:
			filters = append(filters, quote(name)+`:contains_any("`+strings.Join(lists[name], `","`)+`")`)
		}
	}
	return either(filters...)
}
