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

// Watch closes the gate when the scope's file is gone, cannot be read or says
// something else. It reads the text each time: times and sizes of files can be
// kept by who edits them. It ends with ctx, which closes the gate, too.
func (g *Gate) Watch(ctx context.Context) {
	defer g.Withdraw()
	for sleep(ctx, watchEvery) == nil {
		if b, err := readScope(g.scope.file); err != nil || digest(b) != g.scope.digest {
			return
		}
	}
}
