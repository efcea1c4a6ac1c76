package bus

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"noroshi/fault"
)

// Times of sharing work. A hub that cannot say that it lives for lostAfter stops
// its tasks; others take them over when they have not heard of it for deadAfter.
// The clocks of two hubs are never compared: each measures by its own.
const (
	beatEvery = 400 * time.Millisecond
	lostAfter = 2 * time.Second
	deadAfter = 3500 * time.Millisecond
	workTick  = 100 * time.Millisecond
)

// Task is something that one hub at a time does.
type Task struct {
	Name string
	// Run works until ctx ends. Mine tells whether the task is still this hub's;
	// ask it right before what must not be done by two.
	Run func(ctx context.Context, mine func() bool) error
}

// Lost is the cause of a context that ended because the task may be another
// hub's by now: there is no time to end in good order.
var Lost = errors.New("the task is another hub's now")

// Work shares tasks among the hubs of a platform, through leases in the hubs'
// bucket on the bus: a lease names a hub, and holds as long as that hub lives.
// Each hub takes its even part of what nobody does, and gives back what is more
// than that when another has less.
type Work struct {
	hub   *Hub
	id    string
	tasks []Task
	log   *slog.Logger

	mu      sync.Mutex
	beat    time.Time            // begin of the newest beat that the bus has
	seen    map[string]time.Time // other hubs, when their newest beat was seen
	newest  map[string]uint64    // other hubs, the revision of that beat
	leases  map[string]lease     // by task
	running map[string]*running
}

type lease struct {
	owner    string
	revision uint64
	lost     bool // it names this hub, which did not beat for a while and must ask for it anew
}

type running struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// Holding is a task and the hub that does it; "" is nobody.
type Holding struct {
	Task string `json:"task"`
	Hub  string `json:"hub"`
	Here bool   `json:"here"`
}

// NewWork makes the sharing of tasks for one hub; id is this start of it.
func (h *Hub) NewWork(id string, tasks []Task, log *slog.Logger) *Work {
	return &Work{hub: h, id: id, tasks: tasks, log: log, seen: map[string]time.Time{}, newest: map[string]uint64{}, leases: map[string]lease{}, running: map[string]*running{}}
}

// Run shares work until ctx ends, then gives everything back.
func (w *Work) Run(ctx context.Context) error {
	watch, err := w.watch(ctx)
	if err != nil {
		return fault.Wrap("bus.work", err)
	}
	defer func() { _ = watch.Stop() }()
	heard := time.Now()
	var beside sync.WaitGroup
	beside.Go(func() { w.beats(ctx) })
	beside.Go(func() { w.guard(ctx) })
	tick := time.NewTicker(workTick)
	defer tick.Stop()
	for known := false; ; {
		select {
		case <-ctx.Done():
			w.giveBack()
			beside.Wait()
			return nil
		case e := <-watch.Updates():
			heard = time.Now()
			if e == nil {
				known = true // What was there is known; what follows is news.
			} else {
				w.learn(e)
			}
		case <-tick.C:
			if w.alive() && time.Since(heard) >= lostAfter && len(watch.Updates()) == 0 {
				// Not even this hub's own beats come: the server that told died.
				if anew, err := w.watch(ctx); err == nil {
					_ = watch.Stop()
					watch = anew
				}
				heard = time.Now()
			}
			if known {
				w.settle(ctx)
			}
		}
	}
}

// watch tells what the bucket says, then what changes in it.
func (w *Work) watch(ctx context.Context) (jetstream.KeyWatcher, error) {
	return w.hub.state.WatchFiltered(ctx, []string{"hub.*", "lease.>"})
}

// beats says again and again that this hub lives.
func (w *Work) beats(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		began := time.Now()
		soon, cancel := context.WithTimeout(ctx, lostAfter)
		_, err := w.hub.state.PutString(soon, "hub."+w.id, "")
		cancel()
		if err == nil {
			w.mu.Lock()
			w.beat = began
			w.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// guard ends the tasks as soon as this hub may not work, while settle may still
// wait for a bus that does not answer.
func (w *Work) guard(ctx context.Context) {
	tick := time.NewTicker(workTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !w.alive() {
			w.lose()
		}
	}
}

// lose ends what may be another hub's by now. After a break the watch may tell late
// that another took it, so a lease is this hub's again when it has renewed it.
func (w *Work) lose() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, run := range w.running {
		run.cancel(Lost)
	}
	for task, l := range w.leases {
		if l.owner == w.id {
			l.lost = true
			w.leases[task] = l
		}
	}
}

// holds tells whether a task is this hub's to do.
func (w *Work) holds(task string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.leases[task]
	return l.owner == w.id && !l.lost
}

// learn takes one change of the bucket. What a watch that was interrupted, or is
// begun anew, tells late is no news: a hub may be silent since, and this one have
// lost or released its lease.
func (w *Work) learn(e jetstream.KeyValueEntry) {
	kind, name, _ := strings.Cut(e.Key(), ".")
	gone := e.Operation() != jetstream.KeyValuePut
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case kind == "hub" && gone:
		delete(w.seen, name)
	case kind == "hub" && name != w.id && e.Revision() > w.newest[name]:
		w.seen[name], w.newest[name] = time.Now(), e.Revision()
	case kind == "lease" && e.Revision() <= w.leases[name].revision:
	case kind == "lease" && gone:
		w.leases[name] = lease{revision: e.Revision()}
	case kind == "lease":
		w.leases[name] = lease{owner: string(e.Value()), revision: e.Revision()}
	}
}

// alive tells whether this hub may work: the bus heard of it lately.
func (w *Work) alive() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.beat) < lostAfter
}

// others lists the other hubs that live, and forgets those that do not.
func (w *Work) others() map[string]bool {
	out := map[string]bool{}
	for id, at := range w.seen {
		if time.Since(at) < deadAfter {
			out[id] = true
		} else {
			delete(w.seen, id)
		}
	}
	return out
}

// settle starts, stops, takes and gives back tasks.
func (w *Work) settle(ctx context.Context) {
	if !w.alive() {
		w.lose()
		return
	}
	w.mu.Lock()
	others := w.others()
	held := map[string]int{w.id: 0}
	for o := range others {
		held[o] = 0
	}
	var free, lost []Task
	for _, t := range w.tasks {
		l := w.leases[t.Name]
		if _, lives := held[l.owner]; lives {
			held[l.owner]++
		} else {
			free = append(free, t)
		}
		if l.lost {
			lost = append(lost, t)
		}
		if run := w.running[t.Name]; run != nil && l.owner != w.id {
			run.cancel(Lost)
		}
	}
	mine := held[w.id]
	fair := (len(w.tasks) + len(others)) / (len(others) + 1)
	least := mine
	for _, n := range held {
		least = min(least, n)
	}
	w.mu.Unlock()
	for _, t := range lost { // Others take them for this hub's, though they be more than its share.
		w.acquire(ctx, t.Name)
	}
	for _, t := range free {
		if mine >= fair {
			break
		}
		if w.acquire(ctx, t.Name) {
			mine++
		}
	}
	for _, t := range w.tasks {
		switch {
		case !w.holds(t.Name):
		case mine > fair && least < mine-1:
			w.release(t.Name)
			mine--
		default:
			w.start(ctx, t)
		}
	}
}

// acquire takes a lease that no living hub holds, or renews this hub's. Of two that
// try, one succeeds.
func (w *Work) acquire(ctx context.Context, task string) bool {
	w.mu.Lock()
	old := w.leases[task]
	w.mu.Unlock()
	soon, cancel := context.WithTimeout(ctx, lostAfter)
	defer cancel()
	if old.owner != "" && old.owner != w.id && !w.gone(soon, old.owner) {
		return false
	}
	revision, err := w.hub.state.Update(soon, "lease."+task, []byte(w.id), old.revision)
	if err != nil {
		return false // Another was faster, or the bus is away: the watch will tell.
	}
	w.mu.Lock()
	w.leases[task] = lease{owner: w.id, revision: revision}
	w.mu.Unlock()
	w.log.Info("task taken", "role", "hub", "hub", w.id, "task", task)
	return true
}

// gone asks the bus whether a hub that was not heard of is silent, for the watch
// itself may have been interrupted. A beat that is found so counts as heard: who
// asks again, for the hub's next task, finds the same one, and that hub lives.
func (w *Work) gone(ctx context.Context, hub string) bool {
	e, err := w.hub.state.Get(ctx, "hub."+hub)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return true // It ended in good order.
	}
	if err != nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Revision() > w.newest[hub] {
		w.seen[hub], w.newest[hub] = time.Now(), e.Revision()
	}
	return time.Since(w.seen[hub]) >= deadAfter
}

func (w *Work) start(ctx context.Context, t Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running[t.Name] != nil {
		return
	}
	ctx, cancel := context.WithCancelCause(ctx)
	run := &running{cancel, make(chan struct{})}
	w.running[t.Name] = run
	go func() {
		// What is given back in good order is this hub's until it has ended.
		err := t.Run(ctx, func() bool { return context.Cause(ctx) != Lost && w.alive() })
		cancel(nil)
		if err != nil && context.Cause(ctx) != Lost && !errors.Is(err, context.Canceled) {
			w.log.Error("a task ended; it is started again", "role", "hub", "hub", w.id, "task", t.Name, "err", err)
			time.Sleep(workTick) // What fails at once must not spin.
		}
		w.mu.Lock()
		delete(w.running, t.Name)
		w.mu.Unlock()
		close(run.done)
	}()
}

// stop ends a task here and waits for it.
func (w *Work) stop(task string, why error) {
	w.mu.Lock()
	run := w.running[task]
	w.mu.Unlock()
	if run != nil {
		run.cancel(why)
		<-run.done
	}
}

func (w *Work) stopAll(why error) {
	var all sync.WaitGroup
	for _, t := range w.tasks {
		all.Go(func() { w.stop(t.Name, why) })
	}
	all.Wait()
}

// release ends a task and lets another hub have it.
func (w *Work) release(task string) {
	w.stop(task, context.Canceled)
	w.mu.Lock()
	l := w.leases[task]
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), lostAfter)
	defer cancel()
	if l.owner == w.id && w.hub.state.Delete(ctx, "lease."+task, jetstream.LastRevision(l.revision)) == nil {
		w.mu.Lock()
		w.leases[task] = lease{revision: l.revision} // The newer one comes with the watch.
		w.mu.Unlock()
		w.log.Info("task given back", "role", "hub", "hub", w.id, "task", task)
	}
}

// giveBack ends everything in good order, so that others need not wait.
func (w *Work) giveBack() {
	w.stopAll(context.Canceled)
	for _, t := range w.tasks {
		w.release(t.Name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lostAfter)
	defer cancel()
	_ = w.hub.state.Delete(ctx, "hub."+w.id) // Else the others wait until it counts as dead.
}

// Holdings tells which hub does what, as far as is known here.
func (w *Work) Holdings() []Holding {
	w.mu.Lock()
	defer w.mu.Unlock()
	others := w.others()
	out := make([]Holding, len(w.tasks))
	for i, t := range w.tasks {
		owner := w.leases[t.Name].owner
		if owner != w.id && !others[owner] {
			owner = ""
		}
		out[i] = Holding{t.Name, owner, owner == w.id}
	}
	return out
}

// Hubs lists the hubs that live, this one too.
func (w *Work) Hubs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := []string{w.id}
	for id := range w.others() {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
