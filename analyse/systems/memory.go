package systems

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"

	"noroshi/analyse/affected"
	"noroshi/analyse/exploited"
	"noroshi/analyse/exposure"
	"noroshi/analyse/nvd"
	"noroshi/bom"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/org"
)

// memory is what this hub knows: the bills in force, the advisories that are
// believed, and what hits what. Refresh brings it to what the ledger has.
type memory struct {
	mu         sync.RWMutex
	ready      atomic.Bool
	edition    int64
	inventory  *affected.Inventory // each system under its identifier
	advisories *affected.Advisories
	attacks    *exploited.Known
	names      *nvd.Known       // what NVD says of the products that systems have by name
	namesOf    map[string]int64 // the number of each of its files' last change
	renamed    bool             // it is another since systems were judged by it
	wanted     int              // how many names there were when they were read
	of         map[ident.ID]*known
	decided    map[ident.ID]*decided          // by organisation
	feeds      map[string]int64               // the number of each feed's last change
	believed   int64                          // the highest of these
	looked     int64                          // the number of the last change of what is seen from outside
	seen       map[string][]exposure.Sighting // by address and by name
	tree       func() *org.Tree
	// Since the last look of Match: which systems may be hit otherwise than
	// before, and the hits that those gained that changed in nothing else.
	touched map[ident.ID]bool
	gained  map[ident.ID][]affected.Hit
}

// known is a system in memory.
type known struct {
	System
	purl     bom.PURL // as its bill of materials says
	licenses []License
	changed  int64
	matched  uint64 // the sum of what its last survey said
}

func newMemory(tree func() *org.Tree) *memory {
	return &memory{edition: -1, looked: -1, tree: tree, inventory: affected.NewInventory(), advisories: affected.New(), attacks: &exploited.Known{}, names: &nvd.Known{}, namesOf: map[string]int64{}, of: map[ident.ID]*known{}, decided: map[ident.ID]*decided{}, feeds: map[string]int64{},
		touched: map[ident.ID]bool{}, gained: map[ident.ID][]affected.Hit{}}
}

// sum says in a number what a survey would say of a system: 0 when nothing hits
// it, else another one whenever its hits or what is said of it are others.
func (m *memory) sum(k *known) uint64 {
	sum := m.inventory.Sum(string(k.ID))
	if sum == 0 || k.State != Active {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(ledger.JSON(k.Facts))) // A hash takes everything.
	if k.InForce != nil {
		_, _ = h.Write([]byte(k.InForce.Version))
	}
	if m.sighted(k.System) != nil {
		_, _ = h.Write([]byte("seen"))
	}
	return sum + h.Sum64() + m.decidedSum(k)
}

// row is what is asked first: what changed.
type row struct {
	id      string
	changed int64
	matched int64
}

// Refresh brings what this hub knows to what the ledger has, whichever hub
// changed it. It asks for one number, and reads what changed when that is another
// than before.
func (x *Systems) Refresh(ctx context.Context) error {
	x.looking.Lock()
	defer x.looking.Unlock()
	if err := x.takeSightings(ctx); err != nil {
		return err
	}
	var number int64
	var count int
	var systems, feeds, names, vex []row
	err := x.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		systems, feeds, names, vex = nil, nil, nil, nil
		if number, err = edition.Read(ctx, q); err != nil || number == x.mem.edition {
			return err
		}
		if systems, err = rows(ctx, q, `SELECT id, changed, matched FROM system WHERE changed > ?`, x.mem.edition); err != nil {
			return err
		}
		if err := q.QueryRow(ctx, `SELECT COUNT(*) FROM system`).Scan(&count); err != nil {
			return err
		}
		if vex, err = rows(ctx, q, `SELECT org, MAX(changed), 0 FROM vex_document GROUP BY org`); err != nil {
			return err
		}
		// A feed begins with its name and kind; a name has no quotes.
		const ofNVD = `body LIKE '{"name":"%","kind":"` + Names + `"%'`
		if names, err = rows(ctx, q, `SELECT name, changed, 0 FROM advisory_feed WHERE `+ofNVD+` ORDER BY name`); err != nil {
			return err
		}
		feeds, err = rows(ctx, q, `SELECT name, changed, 0 FROM advisory_feed WHERE NOT `+ofNVD+` ORDER BY name`)
		return err
	})
	if err != nil {
		return fault.As(fault.Unavailable, "systems.refresh", err, "the systems cannot be read")
	}
	if number == x.mem.edition {
		return nil
	}
	if err := x.takeSystems(ctx, systems, count); err != nil {
		return err
	}
	if err := x.takeDecisions(ctx, vex); err != nil {
		return err
	}
	if err := x.takeNames(ctx, names); err != nil {
		return err
	}
	packages, err := x.takeFeeds(ctx, feeds)
	if err != nil {
		return err
	}
	m := x.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.renamed || packages == nil || len(packages) > 0 {
		m.inventory.JudgeNames(m.advisories, m.names, m.attacks, nil)
	} else {
		m.inventory.JudgeNames(m.advisories, m.names, m.attacks, m.touchedNames())
	}
	for name, hits := range m.inventory.Judge(m.advisories, m.attacks, packages) {
		id := ident.ID(name)
		m.touched[id], m.gained[id] = true, append(m.gained[id], hits...)
	}
	if packages == nil || m.renamed { // What is no hit any more is gained by nobody.
		for id := range m.of {
			m.touched[id] = true
		}
	}
	for id := range m.touched {
		if m.of[id] == nil {
			delete(m.touched, id)
			delete(m.gained, id)
		}
	}
	m.renamed = false
	m.edition, m.believed = number, newest(m.feeds)
	m.ready.Store(true)
	return nil
}

func rows(ctx context.Context, q ledger.Queryer, query string, args ...any) (list []row, err error) {
	r, err := q.Query(ctx, query, args...)
	err = ledger.Each(r, err, func(scan func(...any) error) error {
		var x row
		err := scan(&x.id, &x.changed, &x.matched)
		list = append(list, x)
		return err
	})
	return list, err
}

// takeSystems takes over the systems that changed. When there are fewer than are
// known then, some were deleted.
func (x *Systems) takeSystems(ctx context.Context, list []row, count int) error {
	m := x.mem
	for _, r := range list {
		if k := m.of[ident.ID(r.id)]; k != nil && k.changed == r.changed {
			continue // It was read when what came after it could not be.
		}
		if err := x.takeSystem(ctx, ident.ID(r.id), r); err != nil {
			return err
		}
	}
	if len(m.of) == count {
		return nil
	}
	there := map[ident.ID]bool{}
	err := x.d.DB.Read(ctx, func(q ledger.Queryer) error {
		clear(there)
		left, err := rows(ctx, q, `SELECT id, changed, matched FROM system`)
		for _, r := range left {
			there[ident.ID(r.id)] = true
		}
		return err
	})
	if err != nil {
		return fault.As(fault.Unavailable, "systems.refresh", err, "the systems cannot be read")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.of {
		if !there[id] {
			m.inventory.Remove(string(id))
			delete(m.of, id)
		}
	}
	return nil
}

func (x *Systems) takeSystem(ctx context.Context, id ident.ID, r row) error {
	var list []System
	var document []byte
	err := x.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		document = nil
		if list, err = read(ctx, q, `id = ?`, string(id)); err != nil || len(list) == 0 || list[0].InForce == nil || list[0].State != Active {
			return err
		}
		_, document, err = kept(ctx, q, id, list[0].InForce.Number)
		return err
	})
	if err != nil {
		return fault.As(fault.Unavailable, "systems.refresh", err, "the system %s cannot be read", id)
	}
	if len(list) == 0 {
		return nil // It was deleted meanwhile.
	}
	k := &known{System: list[0], changed: r.changed, matched: uint64(r.matched)}
	m := x.mem
	if document == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.inventory.Remove(string(id))
	} else {
		parts, err := x.d.Documents.Read(bytes.NewReader(document))
		if err != nil {
			return fault.As(fault.Internal, "systems.refresh", err, "a bill of materials of %s was read once and cannot be any more", id)
		}
		k.purl, k.licenses = parts.PURL, licensesOf(parts)
		parts.Name, parts.Version = string(id), k.InForce.Version
		m.mu.Lock()
		defer m.mu.Unlock()
		m.inventory.Put(parts)
	}
	if was := m.of[id]; was != nil {
		k.matched = was.matched // The row may be older than the last survey.
	}
	m.of[id], m.touched[id] = k, true
	return nil
}

// takeFeeds takes over the feeds that changed, and returns the packages of which
// they speak; nil is all. An advisory that nobody knew is added; for anything else
// all are read anew, beside those at work, so that nothing stays of what an
// advisory said before.
func (x *Systems) takeFeeds(ctx context.Context, list []row) (packages []string, err error) {
	m := x.mem
	packages = []string{}
	feeds, same := map[string]int64{}, 0
	var fresh []string
	for _, r := range list {
		feeds[r.id] = r.changed
		switch was, there := m.feeds[r.id]; {
		case !there:
			fresh = append(fresh, r.id)
		case was == r.changed:
			same++
		}
	}
	if same == len(m.feeds) {
		if packages, err = x.addFresh(ctx, fresh); err != nil || packages != nil {
			m.feeds = feeds
			return packages, err
		}
	}
	all, attacks, err := x.readFeeds(ctx, list)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.advisories, m.attacks = all, attacks
	m.mu.Unlock()
	m.feeds = feeds
	return nil, nil
}

// addFresh adds single advisories of which no name is known; nil tells that there
// is another among them.
func (x *Systems) addFresh(ctx context.Context, names []string) (packages []string, err error) {
	packages = []string{}
	for _, name := range names {
		f, content, err := x.believed(ctx, name)
		if err != nil || f.Kind != Single || x.mem.advisories.Knows(name) {
			return nil, err
		}
		x.mem.mu.Lock()
		err = x.mem.advisories.AddJSON(content, &affected.Report{})
		packages = append(packages, x.mem.advisories.Packages(name)...)
		x.mem.mu.Unlock()
		if err != nil {
			return nil, fault.Wrap("systems.refresh", err)
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages), nil
}

// readFeeds reads all that is believed, archives first.
func (x *Systems) readFeeds(ctx context.Context, list []row) (*affected.Advisories, *exploited.Known, error) {
	all, attacks := affected.New(), &exploited.Known{}
	var single [][]byte
	for _, r := range list {
		f, content, err := x.believed(ctx, r.id)
		switch {
		case err != nil:
			return nil, nil, err
		case f.Kind == Single:
			single = append(single, content)
		case f.Kind == Attacks:
			_, err = addAttacks(attacks, content)
		default:
			_, err = all.ReadZip(r.id, bytes.NewReader(content), int64(len(content)))
		}
		if err != nil {
			return nil, nil, fault.Wrap("systems.refresh", err)
		}
	}
	for _, content := range single {
		if err := all.AddJSON(content, &affected.Report{}); err != nil {
			return nil, nil, fault.Wrap("systems.refresh", err)
		}
	}
	return all, attacks, nil
}

// believed reads the file of a feed that is believed.
func (x *Systems) believed(ctx context.Context, name string) (f Feed, content []byte, err error) {
	err = x.d.DB.Read(ctx, func(q ledger.Queryer) error {
		if f, err = readFeed(ctx, q, name); err != nil {
			return err
		}
		content, err = contentOf(ctx, q, name, f.Believed.SHA256)
		return err
	})
	return f, content, fault.Wrap("systems.feed", err)
}

func readFeed(ctx context.Context, q ledger.Queryer, name string) (f Feed, err error) {
	var body string
	err = q.QueryRow(ctx, `SELECT body FROM advisory_feed WHERE name = ?`, name).Scan(&body)
	if ledger.NoRows(err) {
		return f, fault.New(fault.NotFound, "systems.feed", "there is no feed of advisories %.128q", name)
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &f)
	}
	return f, err
}

// loaded refuses to answer for what is not read yet.
func (m *memory) loaded() error {
	if !m.ready.Load() {
		return fault.New(fault.Unavailable, "systems.memory", "the bills of materials are being read; ask again in a moment")
	}
	return nil
}
