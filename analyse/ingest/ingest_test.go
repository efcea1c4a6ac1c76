package ingest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/analyse/ingest"
	"noroshi/bus"
	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/victorialogs"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/org"
)

// began is the time of the first event: what is sent again is the same event.
var began = time.Now().Add(-time.Minute)

var from = bus.Node{Org: "org_a", ID: "nod_org_a", Name: "a"}

// line is a real bus with one node on it.
func line(t *testing.T) (*bus.Hub, *bus.Client) {
	t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	own := []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	s, err := bus.NewServer(bus.ServerConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", MaxBytes: 64 << 20,
		TLS: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: own, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}},
		bus.ServerDeps{Log: slog.New(slog.DiscardHandler), Feeds: func(ident.ID) []string { return nil },
			Admit: func(*x509.Certificate) (bus.Node, time.Time, error) { return from, tmpl.NotAfter, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	h, err := s.Hub(t.Context(), bus.Single(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- h.NewReceiver(bus.ReceiverConfig{Quota: bus.DefaultQuota, Log: slog.New(slog.DiscardHandler)}).Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-done })
	c, err := bus.Dial(s.Addr(), from, &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, Certificates: own})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	<-c.Changed()
	return h, c
}

// watch counts what the path does, and can fail its durable rounds.
type watch struct {
	mu       sync.Mutex
	judged   int
	observed int
	refused  int
	cut      uint64
	mark     uint64
	broken   bool
}

func (w *watch) deps(t *testing.T, h *bus.Hub, store eventstore.Store) ingest.Deps {
	t.Helper()
	r, err := h.Read(t.Context(), bus.ReaderHub, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return ingest.Deps{Reader: r, Store: store, Log: slog.New(slog.DiscardHandler),
		Check: func(_ bus.Node, frame []byte) ([]*event.Event, []ingest.Refused) {
			good, bad, err := bus.DecodeBatch(frame)
			if err != nil {
				return nil, []ingest.Refused{{Place: "batch", Reason: err.Error()}}
			}
			return good, make([]ingest.Refused, len(bad))
		},
		Quarantine: func(_ context.Context, r []ingest.Refused) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refused += len(r)
			return nil
		},
		Tenant:  func(ident.ID) (uint32, bool) { return 1, true },
		Judging: w.judging()}
}

func (w *watch) judging() *ingest.Judging {
	return &ingest.Judging{Mark: w.mark,
		Judge: func(_ context.Context, e []*event.Event) ([]finding.Finding, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.judged += len(e)
			return nil, nil
		},
		Full:    func() bool { return false },
		Observe: func(uint64, ident.ID, *event.Event) { w.observed++ }, // Under the path's own lock.
		Cut:     func(mark uint64) { w.cut = mark },
		Commit: func(context.Context) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.broken {
				return errors.New("the disk is full")
			}
			w.mark = w.cut
			return nil
		},
		Pass: func(context.Context, finding.Finding) error { return nil }}
}

func run(in *ingest.Ingest) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = in.Run(ctx) }()
	return func() { cancel(); <-done }
}

func (w *watch) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		w.mu.Lock()
		done := ok()
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen: ", what)
		}
	}
}

func publish(t *testing.T, c *bus.Client, id string, first, n int) {
	t.Helper()
	var lines [][]byte
	for i := range n {
		b, err := event.AppendJSON(nil, storetest.Event("org_a", uint64(first+i), began.Add(time.Duration(first+i)*time.Millisecond), "x.test"))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, b)
	}
	frame, err := bus.EncodeBatch(lines)
	if err == nil {
		err = c.Publish(t.Context(), id, frame)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatWasNotAcknowledgedComesAgainAndIsStoredOnce lets the durable rounds
// fail, so that nothing is acknowledged, and starts anew on the same store.
func TestWhatWasNotAcknowledgedComesAgainAndIsStoredOnce(t *testing.T) {
	h, c := line(t)
	store, err := victorialogs.Open(victorialogs.Config{Dir: t.TempDir(), Retention: 24 * time.Hour}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w := &watch{broken: true}
	stop := run(ingest.New(w.deps(t, h, store)))
	publish(t, c, "one", 1, 100)
	publish(t, c, "two", 101, 100)
	w.until(t, "200 events are judged", func() bool { return w.judged == 200 })
	stop()
	w.broken, w.observed, w.judged = false, 0, 0 // What was not committed is gone with the process.
	again := ingest.New(w.deps(t, h, store))
	stop = run(again)
	publish(t, c, "one, sent again long after", 1, 100) // Its acknowledgement was lost on the way.
	publish(t, c, "three", 201, 50)
	w.until(t, "everything is judged, some of it again", func() bool { return w.judged >= 200+100+50 && w.mark > 0 })
	stop()
	rows, err := store.Search(t.Context(), access.Hub(org.NewTree([]org.Organisation{{ID: "org_a", Tenant: 1}}), "t"), eventstore.Query{LogsQL: `* | stats count() n, count_uniq("metadata.uid") u`})
	if err != nil || len(rows) != 1 || rows[0].Fields["n"] != "250" || rows[0].Fields["u"] != "250" {
		t.Errorf("250 events were sent; stored: %v, %v", rows, err)
	}
}

func TestGarbageIsQuarantinedAndTheLineGoesOn(t *testing.T) {
	h, c := line(t)
	store, err := victorialogs.Open(victorialogs.Config{Dir: t.TempDir(), Retention: 24 * time.Hour}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w := &watch{}
	stop := run(ingest.New(w.deps(t, h, store)))
	defer stop()
	if err := c.Publish(t.Context(), "g", []byte("garbage")); err != nil {
		t.Fatal(err)
	}
	publish(t, c, "good", 1, 3)
	w.until(t, "the good ones are judged", func() bool { return w.judged == 3 && w.refused == 1 })
}

// slow is a store whose appends wait until they may go on.
type slow struct {
	eventstore.Store
	open chan struct{}
}

func (s slow) Append(ctx context.Context, rows []eventstore.Row) error {
	<-s.open
	return s.Store.Append(ctx, rows)
}

// TestJudgingDoesNotWaitForTheStoreAndTheLookBackDoes is what keeps an event from
// falling between the live matcher and the look back.
func TestJudgingDoesNotWaitForTheStoreAndTheLookBackDoes(t *testing.T) {
	h, c := line(t)
	store, err := victorialogs.Open(victorialogs.Config{Dir: t.TempDir(), Retention: 24 * time.Hour}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w, gate := &watch{}, slow{store, make(chan struct{})}
	in := ingest.New(w.deps(t, h, gate))
	stop := run(in)
	defer stop()
	publish(t, c, "one", 1, 10)
	w.until(t, "the events are judged while the store stands still", func() bool { return w.judged == 10 })
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := in.Settled(short); err == nil {
		t.Error("it says that everything is stored, but nothing is")
	}
	close(gate.open)
	if err := in.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := store.Search(t.Context(), access.Hub(org.NewTree([]org.Organisation{{ID: "org_a", Tenant: 1}}), "t"), eventstore.Query{})
	if err != nil || len(rows) != 10 {
		t.Errorf("after it settled %d of 10 events are found: %v", len(rows), err)
	}
}

// TestANodeThatRepeatsItselfWithAnotherTimeIsShownOnce sends an event again as if
// it were from another day.
func TestANodeThatRepeatsItselfWithAnotherTimeIsShownOnce(t *testing.T) {
	h, c := line(t)
	store, err := victorialogs.Open(victorialogs.Config{Dir: t.TempDir(), Retention: 24 * time.Hour * 3}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w := &watch{}
	stop := run(ingest.New(w.deps(t, h, store)))
	for i, at := range []time.Time{began, began.Add(-26 * time.Hour), began} {
		b, err := event.AppendJSON(nil, storetest.Event("org_a", 1, at, "x.test"))
		if err != nil {
			t.Fatal(err)
		}
		frame, err := bus.EncodeBatch([][]byte{b})
		if err == nil {
			err = c.Publish(t.Context(), string(rune('a'+i)), frame)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.until(t, "all three are judged", func() bool { return w.judged == 3 })
	stop()
	rows, err := store.Search(t.Context(), access.Hub(org.NewTree([]org.Organisation{{ID: "org_a", Tenant: 1}}), "t"), eventstore.Query{})
	if err != nil || len(rows) != 1 {
		t.Errorf("one event is shown %d times, %v", len(rows), err)
	}
}
