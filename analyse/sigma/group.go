package sigma

import (
	"iter"
	"math/bits"
	"slices"
	"strings"
	"sync"
)

// group is the rules about one kind of event. Of many rules few need a closer
// look: most want a text in a field that is not there. Which texts there are is
// seen by reading each field once, and only the rules that are left are
// evaluated, each by itself as Sigma says.
type group struct {
	rules []*Rule

	once   sync.Once
	always []uint64 // a bit for each rule of which nothing is sure
	fields []finderOf
}

// finderOf finds the texts that rules need in one field.
type finderOf struct {
	field string
	*finder
}

func mark(set []uint64, rule int) { set[rule/64] |= 1 << (rule % 64) }

// index looks at what the rules need.
func (g *group) index() {
	g.always = make([]uint64, (len(g.rules)+63)/64)
	texts := map[string]map[string][]int{} // field → text → rules
	for i, r := range g.rules {
		needs := r.needs()
		if len(needs) == 0 {
			mark(g.always, i)
		}
		for _, n := range needs {
			if texts[n.field] == nil {
				texts[n.field] = map[string][]int{}
			}
			texts[n.field][n.text] = append(texts[n.field][n.text], i)
		}
	}
	for field, t := range texts {
		g.fields = append(g.fields, finderOf{field, newFinder(t)})
	}
	slices.SortFunc(g.fields, func(a, b finderOf) int { return strings.Compare(a.field, b.field) })
}

// candidates are the rules that may match, in their order.
func (g *group) candidates(f Fields) iter.Seq[int] {
	g.once.Do(g.index)
	var room [16]uint64
	set := append(room[:0], g.always...)
	for _, x := range g.fields {
		values, _ := f.Field(x.field)
		for _, v := range values {
			x.find(strings.ToLower(v), func(rules []int) {
				for _, r := range rules {
					mark(set, r)
				}
			})
		}
	}
	return func(yield func(int) bool) {
		for i, w := range set {
			for ; w != 0; w &= w - 1 {
				if !yield(64*i + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}
