package affected

import (
	"slices"
	"strings"
)

// groups are the names that mean one weakness: ids and aliases, joined as they
// come.
type groups struct {
	of      map[string]int32 // a name's place
	parent  []int32
	members [][]string // of a place that is its own parent
}

// find returns the group of a name.
func (g *groups) find(name string) (int32, bool) {
	n, ok := g.of[name]
	if !ok {
		return 0, false
	}
	return g.top(n), true
}

// top is the group of a place. It changes nothing, so that many may ask at once;
// the way is short, because the smaller group always joins the larger.
func (g *groups) top(n int32) int32 {
	for g.parent[n] != n {
		n = g.parent[n]
	}
	return n
}

func (g *groups) make(name string) int32 {
	if n, ok := g.find(name); ok {
		return n
	}
	n := int32(len(g.parent))
	g.of[name] = n
	g.parent = append(g.parent, n)
	g.members = append(g.members, []string{name})
	return n
}

// join makes two names one weakness.
func (g *groups) join(a, b string) {
	x, y := g.make(a), g.make(b)
	if x == y {
		return
	}
	if len(g.members[x]) < len(g.members[y]) {
		x, y = y, x
	}
	g.parent[y] = x
	g.members[x] = append(g.members[x], g.members[y]...)
	g.members[y] = nil
}

// names returns all names of a group, a CVE first: that is what people say.
func (g *groups) names(n int32) []string {
	list := slices.Clone(g.members[n])
	slices.SortFunc(list, func(a, b string) int {
		if c := strings.HasPrefix(a, "CVE-"); c != strings.HasPrefix(b, "CVE-") {
			if c {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return list
}
