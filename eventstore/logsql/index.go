package logsql

import (
	"net/netip"
	"strconv"
	"strings"

	"noroshi/event"
	"noroshi/observable"
)

// The engine keeps a bloom filter of the words of each block's fields, so that
// a word which stands nowhere costs nothing. A word is of letters, digits and _;
// an address or a name is several, which for themselves ("192", "com") stand
// everywhere. So each row has a field with the observables of its event, each
// written as one word, and with it everything that an indicator may be written
// as to mean it: a name's parents, an address's ranges. Different things may
// share a word: what is found is looked at again by who searched.
const indexField = "observables"

const (
	maxWord   = 100 // bytes; a SHA-256 has 64. What is longer is cut
	maxLabels = 8   // of a name: deeper ones are found by their last eight
)

// appendWords writes the words of an event.
func appendWords(dst []byte, all []event.Observable) []byte {
	for _, o := range all {
		switch o.Kind {
		case observable.Domain:
			dst = appendNames(dst, o.Value)
		case observable.IPv4:
			dst = appendRanges4(appendWord(dst, o.Value), o.Value)
		case observable.IPv6:
			dst = appendRanges6(appendWord(dst, o.Value), o.Value)
		default:
			dst = appendWord(dst, o.Value)
		}
	}
	return dst
}

// appendWord writes one word after what is there.
func appendWord(dst []byte, s string) []byte {
	if len(dst) > 0 {
		dst = append(dst, ' ')
	}
	for i := range min(len(s), maxWord) {
		c := s[i]
		if c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z' {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendNames writes a name and its parents, from the one with two labels to the
// one with eight. A single label is no indicator.
func appendNames(dst []byte, name string) []byte {
	labels := 1
	for i := len(name) - 1; i >= 0 && labels < maxLabels; i-- {
		if name[i] != '.' {
			continue
		}
		if labels++; labels > 2 {
			dst = appendWord(dst, name[i+1:])
		}
	}
	if labels > 1 {
		dst = appendWord(dst, lastLabels(name))
	}
	return dst
}

// lastLabels cuts a name to what the index has of it.
func lastLabels(name string) string {
	labels := 1
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			if labels++; labels > maxLabels {
				return name[i+1:]
			}
		}
	}
	return name
}

// The lengths of ranges that are in the index, of each address's.
var levels4, levels6 = []int{8, 16, 24}, []int{32, 48, 64}

// appendRanges4 writes an address's ranges as observables are written, with
// zeroes and the length: 192_0_2_0_24.
func appendRanges4(dst []byte, addr string) []byte {
	dots := 0
	for i := range len(addr) {
		if addr[i] == '.' {
			dst = appendWord(dst, addr[:i])
			dst = append(dst, [...]string{"_0_0_0_8", "_0_0_16", "_0_24"}[dots]...)
			dots++
		}
	}
	return dst
}

func appendRanges6(dst []byte, addr string) []byte {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return dst
	}
	for _, bits := range levels6 {
		if p, err := a.Prefix(bits); err == nil {
			dst = appendWord(dst, p.String())
		}
	}
	return dst
}

// wordsFor are the words of which a row has one if its event shows o. Without
// words every event with an observable may.
func wordsFor(o observable.Observable) []string {
	switch o.Kind {
	case observable.Domain:
		return []string{word(lastLabels(o.Value))}
	case observable.CIDR:
		return rangeWords(o.Value)
	}
	return []string{word(o.Value)}
}

func word(s string) string { return string(appendWord(nil, s)) }

// maxSplit is in how many ranges of the index, as a power of two, one is split
// before the wider one that it lies in is searched.
const maxSplit = 4

func rangeWords(cidr string) []string {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return nil
	}
	levels := levels6
	if p.Addr().Is4() {
		levels = levels4
	}
	within := 0
	for _, bits := range levels {
		if bits <= p.Bits() {
			within = bits
		} else if bits-p.Bits() <= maxSplit {
			return narrower(p, bits)
		}
	}
	if within == 0 {
		return nil
	}
	wide, err := p.Addr().Prefix(within)
	if err != nil {
		return nil
	}
	return []string{word(wide.String())}
}

// narrower lists the words of the ranges of a length that a wider one consists of.
func narrower(p netip.Prefix, bits int) []string {
	var out []string
	b := p.Masked().Addr().AsSlice()
	for i := range 1 << (bits - p.Bits()) {
		// All lengths of the index end with a byte, and a split is within it.
		last := b[bits/8-1]
		b[bits/8-1] |= byte(i)
		a, _ := netip.AddrFromSlice(b)
		out = append(out, word(netip.PrefixFrom(a, bits).String()))
		b[bits/8-1] = last
	}
	return out
}

// showing is the filter that finds the rows of events that show one of some
// observables, and perhaps a few more.
func showing(all []observable.Observable) string {
	var b strings.Builder
	b.WriteString(indexField + ":contains_any(")
	for i, o := range all {
		words := wordsFor(o)
		if words == nil {
			return indexField + ":*"
		}
		if i > 0 {
			b.WriteByte(',')
		}
		for j, w := range words {
			if j > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Quote(w))
		}
	}
	b.WriteByte(')')
	return b.String()
}
