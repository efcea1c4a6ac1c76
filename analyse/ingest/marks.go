package ingest

// Marks is how far the path is, as sequences of bundles: what was judged, what
// is in the store, and what is durable there, so that this path is done with it.
type Marks struct{ Judged, Stored, Durable uint64 }

// Marks tells how far the path is; at the start, where its reader goes on.
func (in *Ingest) Marks() Marks {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.marks
}
