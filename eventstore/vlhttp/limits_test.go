package vlhttp_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/vlhttp"
	"noroshi/fault"
)

// TestAServerThatWouldDropEventsIsRefused starts servers that keep less than the
// hub is to keep: rows stay on the bus, and the operator is told which flag.
func TestAServerThatWouldDropEventsIsRefused(t *testing.T) {
	for flag, value := range map[string]string{"retentionPeriod": "7d", "maxBackfillAge": "1d", "futureRetention": "1h"} {
		s := open(t, vlhttp.Config{Insert: start(t, "-"+flag+"="+value).URL()})
		err := s.Append(t.Context(), batch(1, 0, time.Now()))
		if fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.PublicOf(err), flag) {
			t.Errorf("%s of %s: %v", flag, value, err)
		}
	}
}

// TestAWideEventIsRefusedBeforeTheServerDropsIt appends what the server takes by
// its own bound, and what it would drop with a line in its log.
func TestAWideEventIsRefusedBeforeTheServerDropsIt(t *testing.T) {
	s := open(t, vlhttp.Config{Insert: start(t, "-insert.maxFieldsPerLine=60").URL()})
	rows := batch(2, 0, time.Now())
	rows[1].Event.Unmapped = map[string]string{}
	for i := range 60 {
		rows[1].Event.Unmapped[fmt.Sprint("k", i)] = "v"
	}
	err := s.Append(t.Context(), rows)
	var refused eventstore.RefusedRows
	if !errors.As(err, &refused) || len(refused) != 1 || refused[0].Index != 1 || fault.KindOf(err) != fault.TooLarge {
		t.Fatalf("it refused %v", err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAFullDiskIsSaid starts a server that wants more free space than there is.
func TestAFullDiskIsSaid(t *testing.T) {
	s := open(t, vlhttp.Config{Insert: start(t, "-storage.minFreeDiskSpaceBytes=900TiB").URL()})
	if err := s.Append(t.Context(), batch(1, 0, time.Now())); fault.KindOf(err) != fault.Exhausted {
		t.Errorf("a full disk: %v", err)
	}
	if st, err := s.Stats(t.Context()); err != nil || !st.Full {
		t.Errorf("the state is %+v, %v", st, err)
	}
}

// TestWhatLiesAheadIsNotDeletedYet says so, because the server keeps it.
func TestWhatLiesAheadIsNotDeletedYet(t *testing.T) {
	s := open(t, vlhttp.Config{Insert: start(t).URL()})
	if err := s.Append(t.Context(), append(batch(5, 0, time.Now()), batch(1, 5, time.Now().Add(23*time.Hour))...)); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteTenant(t.Context(), 1, time.Time{}); fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.PublicOf(err), "ahead") {
		t.Errorf("it said %v", err)
	}
	rows, err := s.Search(t.Context(), storetest.Scope(tenantOne), eventstore.Query{})
	if err != nil || len(rows) != 1 {
		t.Errorf("left are %v, %v", rows, err)
	}
}

// TestManyRowsOfManyOrganisations appends more than a request and a look take.
func TestManyRowsOfManyOrganisations(t *testing.T) {
	s := open(t, vlhttp.Config{Insert: start(t).URL()})
	rows := batch(30_000, 0, time.Now())
	for i := range rows[:15_000] {
		rows[i].Tenant = uint32(i%300 + 1)
	}
	if err := s.Append(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := s.Stats(t.Context())
	if err != nil || st.Rows != 30_000 || st.Bytes == 0 {
		t.Errorf("it has %+v, %v", st, err)
	}
}
