package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
)

// Change is what the live stream says: that a record changed, and to whom it
// may be said. Org is empty for what concerns everybody.
type Change struct {
	ID  ident.ID   `json:"id,omitempty"`
	For []ident.ID `json:"for,omitempty"` // organisations that may know; nil for all
}

// live streams changes as server-sent events until the reader goes; whoever has
// heard the first ping misses none that follows. It carries
// identifiers only: what a reader may see of the record, the record's own
// operation decides.
func (a *API) live(w http.ResponseWriter, r *http.Request) {
	s, err := a.scope(r.Context(), access.ViewBeacon)
	if err != nil {
		writeProblem(w, err)
		return
	}
	events := make(chan string, 64)
	stop, err := a.b.Watch(func(topic string, data []byte) {
		var c Change
		if json.Unmarshal(data, &c) != nil || !mayKnow(s, c) {
			return
		}
		select {
		case events <- fmt.Sprintf("event: %s\ndata: {\"id\":%q}\n\n", topic, c.ID):
		default: // A reader that does not keep up reads the truth at its next look.
		}
	})
	if err != nil {
		writeProblem(w, fault.Wrap("api.live", err))
		return
	}
	defer stop()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	ping := time.NewTicker(15 * time.Second)
	defer ping.Stop()
	next := "event: ping\ndata: {}\n\n"
	for {
		_ = out.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := w.Write([]byte(next)); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case next = <-events:
		case <-ping.C:
			next = "event: ping\ndata: {}\n\n"
		}
	}
}

func mayKnow(s access.Scope, c Change) bool {
	if c.For == nil {
		return true
	}
	for _, o := range c.For {
		if s.Allows(o) {
			return true
		}
	}
	return false
}
