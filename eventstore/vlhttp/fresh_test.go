package vlhttp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/vlhttp"
)

// TestKnownFindsTheFirstRowOfAStream lets a server remember the streams of an
// organisation, gives it a row of another class, waits until the server shows that
// by itself, and asks. What it remembers is then often a second behind.
func TestKnownFindsTheFirstRowOfAStream(t *testing.T) {
	t.Parallel() // It waits more than it works.
	server := start(t)
	s := open(t, vlhttp.Config{Insert: server.URL()})
	now := time.Now()
	for tenant := range uint32(3) {
		knows := func(uid string) bool {
			have, err := s.Known(t.Context(), tenant, []string{uid}, now.Add(-time.Hour), now.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			return have[uid]
		}
		put := func(class event.Class) string {
			e := storetest.Event("org_a", uint64(tenant)*10+uint64(class), now, "first.test")
			e.ClassUID = class
			if err := s.Append(t.Context(), []eventstore.Row{{Tenant: tenant, Event: e}}); err != nil {
				t.Fatal(err)
			}
			return e.Metadata.UID
		}
		put(event.DNSActivity)
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		uid := put(event.NetworkActivity)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ask := 0; !shows(t, server.URL(), tenant, uid, ask); ask++ {
			knows(uid) // The server remembers one stream from here on.
			<-tick.C
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !knows(uid) {
			t.Errorf("organisation %d: what the server shows is not known", tenant)
		}
	}
}

// shows tells whether a server finds an event for somebody who asks as nobody has.
func shows(t *testing.T, server string, tenant uint32, uid string, ask int) bool {
	t.Helper()
	q := fmt.Sprintf(`{org in ("%d","ask %d")} "metadata.uid":=%q | fields _time`, tenant, ask, uid)
	resp, err := http.PostForm(server+"/select/logsql/query", url.Values{"query": {q}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return len(b) > 0
}
