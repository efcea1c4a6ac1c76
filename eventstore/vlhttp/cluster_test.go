package vlhttp_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/vlhttp"
	"noroshi/fault"
	"noroshi/internal/peers"
)

// cluster is one front and two storage nodes that write to disk every second.
func cluster(t testing.TB) (front *peers.Process, nodes [2]*peers.Process) {
	t.Helper()
	return clusterThatWrites(t, time.Second)
}

func clusterThatWrites(t testing.TB, every time.Duration) (front *peers.Process, nodes [2]*peers.Process) {
	t.Helper()
	for i := range nodes {
		nodes[i] = start(t, "-internaldelete.enable", "-inmemoryDataFlushInterval="+every.String())
	}
	return start(t, "-storageNode="+nodes[0].Addr+","+nodes[1].Addr), nodes
}

// TestContractOfACluster runs the contract on a cluster's front.
func TestContractOfACluster(t *testing.T) {
	t.Parallel() // It waits more than it works.
	storetest.Contract(t, func(t *testing.T) eventstore.Store {
		front, _ := cluster(t)
		return open(t, vlhttp.Config{Insert: front.URL(), Select: front.URL(), Hold: vlhttp.MinHold})
	})
}

// TestAClusterIsHeldBack kills a storage node after a Sync, which had waited
// until the node must have written to disk, and finds everything.
func TestAClusterIsHeldBack(t *testing.T) {
	t.Parallel() // It waits more than it works.
	front, nodes := cluster(t)
	s := open(t, vlhttp.Config{Insert: front.URL(), Hold: 3 * time.Second})
	if err := s.Append(t.Context(), batch(5000, 0, time.Now())); err != nil { // More than 1,000 of a stream go to both nodes.
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.Kill()
	}
	if _, err := s.Search(t.Context(), storetest.Scope(tenantOne), eventstore.Query{}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("half a cluster answers: %v", err)
	}
	for _, n := range nodes {
		n.Restart()
	}
	have, err := s.Known(t.Context(), 1, uids(0, 5000), time.Now().Add(-time.Hour), time.Now())
	if err != nil || len(have) != 5000 {
		t.Errorf("of 5,000 durable events %d are there, %v", len(have), err)
	}
}

// TestALossOfAClusterIsSaid kills a storage node that has rows in memory only, as one
// does that wrote them later than the operator said.
func TestALossOfAClusterIsSaid(t *testing.T) {
	t.Parallel() // It waits more than it works.
	front, nodes := clusterThatWrites(t, time.Hour)
	s := open(t, vlhttp.Config{Insert: front.URL(), Hold: vlhttp.MinHold})
	if err := s.Append(t.Context(), batch(3000, 0, time.Now())); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	nodes[0].Kill()
	nodes[0].Restart()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Sync(ended); err == nil || errors.Is(err, eventstore.Lost) {
		t.Errorf("a Sync that nobody waited for: %v", err)
	}
	if err := s.Sync(t.Context()); !errors.Is(err, eventstore.Lost) {
		t.Errorf("a Sync after a node lost its memory: %v", err)
	}
}

// TestAClusterThatIsNotHeldBackIsRefused asks a cluster's front to write to disk.
func TestAClusterThatIsNotHeldBackIsRefused(t *testing.T) {
	front, _ := cluster(t)
	s := open(t, vlhttp.Config{Insert: front.URL()})
	if err := s.Append(t.Context(), batch(1, 0, time.Now())); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err == nil || errors.Is(err, eventstore.Lost) {
		t.Errorf("it promised: %v", err)
	}
}
