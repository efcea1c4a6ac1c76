package ingest

// Marks is how far the path is, as the bus's sequences: what was judged, what is
// in the store, and what is durable there, so that the bus forgot it.
type Marks struct{ Judged, Stored, Durable uint64 }

// Marks tells how far the path is; zeros before the first batch of this start.
func (in *Ingest) Marks() Marks {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.marks
}

func (in *Ingest) mark(set func(*Marks)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	set(&in.marks)
}
