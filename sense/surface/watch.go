package surface

import (
	"context"
	"time"
)

// watchEvery is how often the scope's file is looked at: four times within the
// second in which a withdrawal must have stopped everything.
const watchEvery = 200 * time.Millisecond

// Withdraw closes the gate for good.
func (g *Gate) Withdraw() { g.withdrawn.Store(true) }

// answersWithin is how long the text of a scope may take to come, so that with
// the pause before it no second is over.
const answersWithin = 600 * time.Millisecond

// Watch closes the gate when the scope's text is gone, cannot be read or says
// something else; a text that only excludes more narrows it. It reads the text each time: times and sizes of files can be
// kept by who edits them. It ends with ctx, which closes the gate, too.
func (g *Gate) Watch(ctx context.Context) {
	defer g.Withdraw()
	for sleep(ctx, watchEvery) == nil {
		if !g.read(ctx) {
			return
		}
	}
}

func (g *Gate) read(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	b, err := g.scope.text(ctx)
	if err != nil || digest(b) == g.stands.digest {
		return err == nil
	}
	s, err := Parse(b)
	if err != nil || !g.stands.narrower(s) {
		return false
	}
	g.narrow(s)
	return true
}

func (s *Scope) text(ctx context.Context) ([]byte, error) {
	if s.reread == nil {
		return readScope(s.file)
	}
	return s.reread(ctx)
}
