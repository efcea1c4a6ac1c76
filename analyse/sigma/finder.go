package sigma

import "strings"

// finder finds which of many texts stand in a value, by looking at the value
// once: each text is known by three bytes of it, chosen so that few share them.
type finder struct {
	some  [1 << 10]uint64 // a bit for each hash of three bytes that are known
	grams map[uint32][]known
}

// known is a text whose gram stands at an offset, and what is looked for with it.
type known struct {
	text  string
	at    int
	rules []int
}

// gram is how many bytes a text is known by.
const gram = 3

func at3(s string, i int) uint32 {
	return uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16
}

func bitOf(g uint32) (word uint32, bit uint64) {
	h := g * 2654435761 >> 16
	return h >> 6, 1 << (h & 63)
}

// newFinder makes a finder of texts and the rules that need them.
func newFinder(texts map[string][]int) *finder {
	f := &finder{grams: map[uint32][]known{}}
	for text, rules := range texts {
		best, at := uint32(0), -1
		for i := range len(text) - gram + 1 {
			if g := at3(text, i); at < 0 || len(f.grams[g]) < len(f.grams[best]) {
				best, at = g, i
			}
		}
		w, b := bitOf(best)
		f.some[w] |= b
		f.grams[best] = append(f.grams[best], known{text, at, rules})
	}
	return f
}

// find calls fn with the rules of each text that stands in s, once or more.
func (f *finder) find(s string, fn func(rules []int)) {
	for i := 0; i+gram <= len(s); i++ {
		g := at3(s, i)
		if w, b := bitOf(g); f.some[w]&b == 0 {
			continue
		}
		for _, k := range f.grams[g] {
			if i >= k.at && strings.HasPrefix(s[i-k.at:], k.text) {
				fn(k.rules)
			}
		}
	}
}
