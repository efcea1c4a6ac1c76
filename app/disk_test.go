package app

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/api/operator"
	"noroshi/bus"
	"noroshi/config"
	"noroshi/disk"
	"noroshi/disk/disktest"
	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/identity/join"
	"noroshi/indicator"
	"noroshi/sense/spool"
	"noroshi/status"
)

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it did not come to pass that %s", what)
		}
	}
}

// testConfig is a hub on free ports of loopback with one member.
func testConfig(dir string) config.Config {
	cfg := config.Default()
	cfg.DataDir = dir
	cfg.Hub.Console, cfg.Hub.Enrol, cfg.Hub.Bus, cfg.Metrics = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", ":0"
	cfg.Hub.EventsMiB = 64
	cfg.Resolver.Listen = []string{"127.0.0.1:0"}
	return cfg
}

func startHub(t *testing.T, cfg config.Config) *Hub {
	t.Helper()
	return startHubLogging(t, cfg, slog.New(slog.DiscardHandler))
}

func startHubLogging(t *testing.T, cfg config.Config, log *slog.Logger) *Hub {
	t.Helper()
	h, err := StartHub(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Stop(); err != nil {
			t.Errorf("the hub did not stop well: %v", err)
		}
	})
	return h
}

// tokenFor makes a token for a node of the ministry.
func tokenFor(t *testing.T, h *Hub, role string) string {
	t.Helper()
	o, err := h.h.orgs.BySlug(t.Context(), "ministry")
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := h.h.nodes.NewToken(t.Context(), access.Hub(h.h.orgs.Current(), "test"), o.ID, role, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// dial joins a node to the hub and gives the test its line.
func dial(t *testing.T, h *Hub) (*join.Credentials, *bus.Client) {
	t.Helper()
	id, err := join.Join(t.Context(), tokenFor(t, h, RoleSensor), "eye", filepath.Join(t.TempDir(), "identity"))
	if err != nil {
		t.Fatal(err)
	}
	line, err := bus.Dial(id.Bus, bus.Node{Org: id.Org, ID: id.Node, Name: id.Name}, id.TLS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	return id, line
}

// eye joins a node to the hub and gives the test its spool.
func eye(t *testing.T, h *Hub) *spool.Spool {
	t.Helper()
	id, line := dial(t, h)
	s, err := spool.Open(spool.Config{Dir: t.TempDir(), Org: id.Org, Node: id.Node, Product: RoleSensor}, spool.Deps{Publisher: line, Encode: bus.EncodeBatch, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = s.Close() })
	return s
}

func emit(t *testing.T, s *spool.Spool, n int) {
	t.Helper()
	for i := range n {
		e := &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, Time: time.Now().UnixMilli(), Query: &event.DNSQueryInfo{Hostname: fmt.Sprintf("n%d.brake.test", i)}}
		if err := s.Emit(e); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskFullBrake fills the disk of a whole hub: it stops to take before the
// disk is full and says so, decisions and revocations go on, and when there is
// room everything that a node has kept arrives.
func TestDiskFullBrake(t *testing.T) {
	dir := disktest.Small(t, 900)
	cfg := testConfig(dir)
	cfg.Disk = config.Disk{WarnPercent: 50, BrakePercent: 1, BrakeMiB: 400, ReserveMiB: 32}
	h := startHub(t, cfg)
	admin := operator.Dial(Socket(dir))
	s := eye(t, h)
	emit(t, s, 100)
	until(t, "the hub has what was sent", func() bool { return s.Stats().Acked == 100 })

	ballast := disktest.NewBallast(t, dir)
	for h.h.brake.Closed() == nil {
		if !ballast.Add() {
			t.Fatal("the disk was full before the brake closed")
		}
		h.h.brake.Check()
	}
	emit(t, s, 100)
	until(t, "the node was told to wait", func() bool { return s.Stats().Failures > 0 })
	var st status.Status
	until(t, "the status says why", func() bool {
		if err := admin.Get(t.Context(), "/api/v1/status", &st); err != nil {
			t.Fatal(err)
		}
		return st.State == status.Stuck && st.Hops[1].Name == status.Receive && st.Hops[1].State == status.Stuck
	})
	decide(t, admin, "braking.test")

	ballast.Fill()
	h.h.brake.Check()
	if l := h.h.brake.State().Level; l != disk.Spent {
		t.Errorf("a full disk is %s", l)
	}
	// The brake looks by itself too: a reserve that it gave up before the filling
	// ended was filled as well.
	ballast.Leave(cfg.Disk.ReserveMiB / 2)
	decide(t, admin, "full.test")
	if n := s.Stats().Acked; n != 100 {
		t.Errorf("%d events were taken on a full disk", n)
	}

	ballast.Drop()
	h.h.brake.Check()
	until(t, "the hub has what waited", func() bool { return s.Stats().Acked == 200 })
	until(t, "all of it is stored", func() bool {
		rows, err := h.h.events.Search(t.Context(), access.Hub(h.h.orgs.Current(), "test"), eventstore.Query{LogsQL: `"query.hostname":~"brake[.]test"`})
		return err == nil && len(rows) == 200
	})
	select {
	case err := <-h.Failed():
		t.Errorf("the hub gave up: %v", err)
	default:
	}
}

// block makes an indicator.
func block(t *testing.T, admin operator.Client, name string) (ind indicator.Indicator) {
	t.Helper()
	if err := admin.Post(t.Context(), "/api/v1/indicators", map[string]any{"observable": name, "reason": "test", "action": "block", "confidence": 90, "valid_hours": 1, "tlp": "TLP:GREEN", "pap": "PAP:CLEAR"}, &ind); err != nil {
		t.Fatalf("nothing can be decided: %v", err)
	}
	return ind
}

// decide makes an indicator and revokes it.
func decide(t *testing.T, admin operator.Client, name string) {
	t.Helper()
	ind := block(t, admin, name)
	if err := admin.Post(t.Context(), "/api/v1/indicators/"+string(ind.ID)+"/revoke", map[string]any{"reason": "test", "version": ind.Version}, &ind); err != nil || ind.State != indicator.Revoked {
		t.Fatalf("nothing can be revoked: %v, %s", err, ind.State)
	}
}
