package systems

import (
	"context"

	"noroshi/analyse/nvd"
)

// takeNames takes over what NVD says, and remembers when it is another than before.
// Only what is about products that systems here have by name is kept, since all of
// NVD is larger than the memory of a hub; so its files are read again when one
// changed, and when a bill brought a name that nobody had.
func (x *Systems) takeNames(ctx context.Context, list []row) error {
	m := x.mem
	files, changed := map[string]int64{}, false
	for _, r := range list {
		files[r.id] = r.changed
		changed = changed || m.namesOf[r.id] != r.changed
	}
	changed = changed || len(files) != len(m.namesOf)
	wanted := m.inventory.Names()
	if !changed && (len(files) == 0 || wanted == m.wanted) {
		return nil
	}
	now := &nvd.Known{}
	if wanted > 0 {
		for _, r := range list {
			_, content, err := x.believed(ctx, r.id)
			if err != nil {
				return err
			}
			if _, err := addNames(now, content, m.inventory.Named); err != nil {
				return err
			}
		}
	}
	m.mu.Lock()
	m.names = now
	m.mu.Unlock()
	m.namesOf, m.wanted, m.renamed = files, wanted, true
	return nil
}

// touchedNames are the systems that changed since the last look, as the inventory
// calls them.
func (m *memory) touchedNames() []string {
	list := make([]string, 0, len(m.touched))
	for id := range m.touched {
		list = append(list, string(id))
	}
	return list
}
