package bus

import (
	"context"
	"hash/fnv"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"noroshi/fault"
	"noroshi/ident"
)

// Times and sizes of taking batches.
const (
	bundleBytes = 128 << 10       // of batches that become durable together; one more may follow
	takeWithin  = 8 * time.Second // a node hears within it whether its batch was taken; it waits for 10
	lookAgain   = 20 * time.Millisecond
	gatherFor   = 20 * time.Millisecond // small batches begin a bundle this long after the last began
	storeWithin = 7 * time.Second       // for the stream to have a bundle on its disks
)

// ReceiverConfig is what the receiver is given.
type ReceiverConfig struct {
	Quota Quota
	// Closed says why nothing may be taken now, such as a disk that is nearly
	// full; nil means that it may.
	Closed func() error
	Log    *slog.Logger
}

// Received counts what the receiver did with batches since the start.
type Received struct {
	Taken, Repeated, Refused uint64
	Waiting                  int   // batches that wait to be taken now
	WaitingBytes             int64 // and their bytes
}

// Receiver takes the batches of nodes: it lets organisations in by turns, makes
// what waits durable together, and only then acknowledges each node. Every hub
// runs one; a batch comes to one of them.
type Receiver struct {
	hub   *Hub
	cfg   ReceiverConfig
	parts []*inlet
}

// inlet is a receiver's part for one partition.
type inlet struct {
	r       *Receiver
	subject string
	kick    chan struct{}

	mu      sync.Mutex
	queue   *queue
	current map[ident.ID]*waiting // node → what of it waits or is being stored
	last    map[ident.ID]string   // node → its newest durable batch
	flights []flight              // bundles that are stored and not judged yet, in order
	judged  uint64
	count   Received
}

// flight is a bundle on its way to being judged.
type flight struct {
	seq  uint64
	orgs map[ident.ID]int64 // bytes
}

// NewReceiver makes the receiver; Run takes batches.
func (h *Hub) NewReceiver(cfg ReceiverConfig) *Receiver {
	r := &Receiver{hub: h, cfg: cfg}
	for p := range h.layout.Partitions {
		r.parts = append(r.parts, &inlet{r: r, subject: bundleSubject(p), kick: make(chan struct{}, 1), queue: newQueue(cfg.Quota),
			current: map[ident.ID]*waiting{}, last: map[ident.ID]string{}})
	}
	return r
}

// Partition is where an organisation's batches go: all of one organisation stay
// in order.
func (l Layout) Partition(o ident.ID) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(o)) // It never fails.
	return int(h.Sum32() % uint32(l.Partitions))
}

// Run takes batches until ctx ends.
func (r *Receiver) Run(ctx context.Context) error {
	const op = "bus.receive"
	judged, err := r.hub.nc.Subscribe("judged.*", r.onJudged)
	if err != nil {
		return fault.Wrap(op, err)
	}
	defer func() { _ = judged.Unsubscribe() }()
	sub, err := r.hub.nc.QueueSubscribe("obs.*.*", hubsQueue, r.take)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if err := sub.SetPendingLimits(-1, maxAllWaiting); err != nil {
		return fault.Wrap(op, err)
	}
	var wg sync.WaitGroup
	for _, p := range r.parts {
		wg.Go(func() { p.run(ctx) })
	}
	<-ctx.Done()
	_ = sub.Unsubscribe() // Nodes send again what comes between.
	wg.Wait()
	return nil
}

// take puts one batch in its queue. It must be quick: it is the only reader of
// what all nodes send.
func (r *Receiver) take(m *nats.Msg) {
	from, err := nodeOf(m.Subject)
	if err != nil {
		return // The bus itself names the node in the subject.
	}
	p := r.parts[r.hub.layout.Partition(from.Org)]
	p.take(&waiting{Batch: Batch{From: from, Data: m.Data}, id: m.Header.Get(headerMessageID), since: time.Now(),
		reply: func(err error) { respond(m, nil, err) }})
}

func (p *inlet) take(w *waiting) {
	done, err := p.admit(w)
	if done {
		w.reply(err)
		return
	}
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// admit queues a batch; done means that its answer is known by now.
func (p *inlet) admit(w *waiting) (done bool, err error) {
	const op = "bus.receive"
	p.mu.Lock()
	defer p.mu.Unlock()
	if now, ok := p.current[w.From.ID]; ok && w.id != "" && now.id == w.id {
		now.reply = w.reply // It asked again: the first answer would come to nobody.
		return false, nil
	} else if ok {
		p.count.Refused++
		return true, fault.New(fault.Conflict, op, "one batch at a time: the one before is not durable yet")
	}
	if w.id != "" && p.last[w.From.ID] == w.id {
		p.count.Repeated++
		return true, nil
	}
	if len(w.Data) > MaxBatchBytes {
		p.count.Refused++
		return true, fault.New(fault.TooLarge, op, "the batch is %d bytes; at most %d are allowed", len(w.Data), MaxBatchBytes)
	}
	if err := p.r.closed(); err != nil {
		p.count.Refused++
		return true, err
	}
	if !p.queue.add(w) {
		p.count.Refused++
		return true, fault.New(fault.Exhausted, op, "too much of this organisation waits to be taken; it stays in the spool and is sent again")
	}
	p.current[w.From.ID] = w
	return false, nil
}

func (r *Receiver) closed() error {
	if r.cfg.Closed == nil {
		return nil
	}
	return r.cfg.Closed()
}

// run stores what waits, bundle by bundle: while one is being written the next
// gathers.
func (p *inlet) run(ctx context.Context) {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	gathered := time.NewTimer(0)
	defer gathered.Stop()
	var began time.Time // of the last bundle
	for ctx.Err() == nil {
		now := time.Now()
		picked, wait := p.pick(began, now)
		if len(picked) > 0 {
			began = now
			p.store(ctx, picked)
			continue
		}
		if wait > 0 {
			gathered.Reset(wait)
		}
		select {
		case <-ctx.Done():
		case <-p.kick:
		case <-gathered.C:
		case now := <-tick.C: // Quotas open with time.
			p.refuseOverdue(now)
		}
	}
	p.mu.Lock()
	rest := p.queue.overdue(time.Now())
	p.mu.Unlock()
	p.finish(rest, fault.New(fault.Unavailable, "bus.receive", "the hub is stopping"))
}

// pick takes the next bundle's batches, or says how long they shall still gather.
func (p *inlet) pick(began, now time.Time) (picked []*waiting, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait = p.queue.gathers(began.Add(gatherFor).Sub(now)); wait > 0 {
		return nil, wait
	}
	return p.queue.pick(bundleBytes, now), 0
}

// store makes picked batches durable and answers their nodes.
func (p *inlet) store(ctx context.Context, picked []*waiting) {
	f := flight{orgs: map[ident.ID]int64{}}
	batches := make([]Batch, len(picked))
	for i, w := range picked {
		batches[i] = w.Batch
		f.orgs[w.From.Org] += w.size()
	}
	// A stop lets the write end: what it answers decides for the nodes.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeWithin)
	defer cancel()
	ack, err := p.r.hub.js.Publish(ctx, p.subject, appendBundle(nil, batches))
	if err != nil {
		err = fault.As(fault.Unavailable, "bus.receive", err, "the hub cannot store the batch now")
		p.r.cfg.Log.Warn("batches are not taken; nodes send them again", "role", "hub", "part", p.subject, "batches", len(batches), "err", err)
		p.land(f)
	} else {
		f.seq = ack.Sequence
		p.launch(f)
	}
	p.finish(picked, err)
}

// finish answers nodes and lets them send their next.
func (p *inlet) finish(list []*waiting, err error) {
	replies := make([]func(error), len(list))
	p.mu.Lock()
	for i, w := range list {
		replies[i] = w.reply
		delete(p.current, w.From.ID)
		if err == nil {
			p.last[w.From.ID] = w.id
			p.count.Taken++
		} else {
			p.count.Refused++
		}
	}
	p.mu.Unlock()
	for _, reply := range replies {
		reply(err)
	}
}

// launch remembers a stored bundle until it is judged.
func (p *inlet) launch(f flight) {
	p.mu.Lock()
	late := f.seq <= p.judged // Its judgement was faster than the answer of the disk.
	if !late {
		p.flights = append(p.flights, f)
	}
	p.mu.Unlock()
	if late {
		p.land(f)
	}
}

// land gives an organisation back what a bundle took of its share.
func (p *inlet) land(f flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for o, n := range f.orgs {
		p.queue.judged(o, n)
	}
}

// onJudged hears from the hub that judges a partition how far it is.
func (r *Receiver) onJudged(m *nats.Msg) {
	n, err := strconv.Atoi(strings.TrimPrefix(m.Subject, "judged."))
	seq, err2 := strconv.ParseUint(string(m.Data), 10, 64)
	if err != nil || err2 != nil || n < 0 || n >= len(r.parts) {
		return // Only hubs speak here; another layout of partitions is being left.
	}
	p := r.parts[n]
	p.mu.Lock()
	p.judged = max(p.judged, seq)
	for len(p.flights) > 0 && p.flights[0].seq <= seq {
		for o, n := range p.flights[0].orgs {
			p.queue.judged(o, n)
		}
		p.flights = p.flights[1:]
	}
	more := len(p.queue.turns) > 0
	p.mu.Unlock()
	if more {
		select {
		case p.kick <- struct{}{}:
		default:
		}
	}
}

// refuseOverdue tells nodes to try again later, before they give the answer up.
func (p *inlet) refuseOverdue(now time.Time) {
	p.mu.Lock()
	late := p.queue.overdue(now.Add(-takeWithin))
	p.mu.Unlock()
	if len(late) > 0 {
		p.finish(late, fault.New(fault.Exhausted, "bus.receive", "the organisation's share of the hub is used up; the batch stays in the spool and is sent again"))
	}
}

// Stats tells what was taken and what waits.
func (r *Receiver) Stats() (all Received) {
	for _, p := range r.parts {
		p.mu.Lock()
		all.Taken, all.Repeated, all.Refused = all.Taken+p.count.Taken, all.Repeated+p.count.Repeated, all.Refused+p.count.Refused
		all.WaitingBytes += p.queue.bytes
		for _, s := range p.queue.orgs {
			all.Waiting += len(s.waiting)
		}
		p.mu.Unlock()
	}
	return all
}
