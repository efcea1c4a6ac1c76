package scan

import "noroshi/bom"

// graph joins the packages of one lock file, which may need what stands below
// them, by the names that the file has for them.
type graph struct {
	s      *scanner
	list   []int
	called map[string]int
	need   []need
	root   bool // the file says what the system itself needs
}

type need struct {
	from int
	name string
}

func (s *scanner) graph() *graph { return &graph{s: s, called: map[string]int{}} }

// take adds a component.
func (g *graph) take(p bom.PURL) int {
	i := g.s.add(p, "")
	g.list = append(g.list, i)
	return i
}

// call gives a component names; the first that has one keeps it.
func (g *graph) call(i int, names ...string) {
	for _, n := range names {
		if _, taken := g.called[n]; !taken {
			g.called[n] = i
		}
	}
}

// needs remembers what a component needs, bom.Root being the system itself.
func (g *graph) needs(from int, names ...string) {
	g.root = g.root || from == bom.Root
	for _, n := range names {
		g.need = append(g.need, need{from, n})
	}
}

// join makes the edges. Of a file that does not say what the system itself needs,
// it is what nothing else does.
func (g *graph) join() {
	needed := map[int]bool{}
	for _, n := range g.need {
		if to, ok := g.called[n.name]; ok && to != bom.Root && to != n.from {
			g.s.edge(n.from, to)
			needed[to] = true
		}
	}
	for _, i := range g.list {
		if !g.root && !needed[i] {
			g.s.edge(bom.Root, i)
		}
	}
}
