package vlhttp_test

import (
	"log/slog"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/vlhttp"
	"noroshi/internal/peers"
	"noroshi/org"
)

var month = 30 * 24 * time.Hour

var tenantOne = org.Organisation{ID: "org_a", Tenant: 1}

// start starts a single node that may delete.
func start(t testing.TB, flags ...string) *peers.Process {
	t.Helper()
	return peers.StartVictoriaLogs(t, t.TempDir(), append([]string{"-delete.enable"}, flags...)...)
}

func open(t testing.TB, cfg vlhttp.Config) eventstore.Store {
	t.Helper()
	if cfg.Retention == 0 {
		cfg.Retention = month
	}
	s, err := vlhttp.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestContract(t *testing.T) {
	storetest.Contract(t, func(t *testing.T) eventstore.Store {
		return open(t, vlhttp.Config{Insert: start(t).URL(), Account: 7, Project: 3})
	})
}
