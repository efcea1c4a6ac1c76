package vlhttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/vlhttp"
	"noroshi/fault"
)

const password = "hunter-2"

func file(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// roundTrip appends, makes durable, finds and deletes, so that every endpoint is
// asked with its credentials.
func roundTrip(t *testing.T, s eventstore.Store, seq uint64) error {
	t.Helper()
	ctx := t.Context()
	if err := s.Append(ctx, batch(1, seq, time.Now())); err != nil {
		return err
	}
	if err := s.Sync(ctx); err != nil {
		return err
	}
	rows, err := s.Search(ctx, storetest.Scope(tenantOne), eventstore.Query{})
	if err == nil && len(rows) != 1 {
		err = fmt.Errorf("%d rows are there", len(rows))
	}
	if err != nil {
		return err
	}
	if _, err := s.Stats(ctx); err != nil {
		return err
	}
	return s.DeleteTenant(ctx, 1, time.Time{})
}

// TestCredentialsOfEveryEndpoint gives the server a user and keys of its own for
// what only an operator may ask, over TLS with an authority of ours.
func TestCredentialsOfEveryEndpoint(t *testing.T) {
	cert := authority(t)
	server := start(t, "-tls", "-tlsCertFile="+cert.file, "-tlsKeyFile="+cert.key, "-httpAuth.username=noroshi", "-httpAuth.password="+password,
		"-forceFlushAuthKey=flush-key", "-partitionManageAuthKey=partition-key", "-metricsAuthKey=metrics-key")
	good := vlhttp.Config{Insert: "https://" + server.Addr, CAFile: cert.file, User: "noroshi", Password: vlhttp.Secret{File: file(t, "password", []byte(password+"\n"))},
		FlushKey: vlhttp.Secret{Value: "flush-key"}, PartitionKey: vlhttp.Secret{Value: "partition-key"}, MetricsKey: vlhttp.Secret{Value: "metrics-key"}}
	if err := roundTrip(t, open(t, good), 0); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(c *vlhttp.Config){
		"password": func(c *vlhttp.Config) { c.Password = vlhttp.Secret{Value: "wrong"} }, "flush": func(c *vlhttp.Config) { c.FlushKey = vlhttp.Secret{} },
		"partition": func(c *vlhttp.Config) { c.PartitionKey.Value = "wrong" }, "metrics": func(c *vlhttp.Config) { c.MetricsKey.Value = "wrong" },
		"file": func(c *vlhttp.Config) { c.Password.File = "/nonexistent" }, "authority": func(c *vlhttp.Config) { c.CAFile = "" },
	} {
		bad := good
		spoil(&bad)
		if err := roundTrip(t, open(t, bad), 1); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("with a wrong %s: %v", name, err)
		}
	}
}

// TestTheTokenIsReadAgain puts a gate of bearers before the server, as operators
// do, and changes the token while the store is open.
func TestTheTokenIsReadAgain(t *testing.T) {
	server := start(t)
	target, _ := url.Parse(server.URL())
	var token atomic.Value
	token.Store("first")
	proxy := httputil.NewSingleHostReverseProxy(target)
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token.Load().(string) {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(gate.Close)
	path := file(t, "token", []byte("first\n"))
	s := open(t, vlhttp.Config{Insert: gate.URL, Token: vlhttp.Secret{File: path}})
	if err := roundTrip(t, s, 0); err != nil {
		t.Fatal(err)
	}
	token.Store("second")
	if err := s.Ping(t.Context()); fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.PublicOf(err), "credentials") {
		t.Errorf("with the old token: %v", err)
	}
	if err := os.WriteFile(path, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	cfg := vlhttp.Config{Insert: "https://db.example", Token: vlhttp.Secret{Value: password}, FlushKey: vlhttp.Secret{Value: password, File: password}}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "cfg", cfg, "token", cfg.Token)
	j, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprintf("%v %+v %#v %s %s", cfg, cfg, cfg, j, log.String()); strings.Contains(all, password) {
		t.Errorf("a secret shows in %s", all)
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	good := vlhttp.Config{Insert: "http://127.0.0.1:9428", Retention: month}
	for name, spoil := range map[string]func(c *vlhttp.Config){
		"no address": func(c *vlhttp.Config) { c.Insert = "" }, "no host": func(c *vlhttp.Config) { c.Insert = "https:///x" },
		"a scheme": func(c *vlhttp.Config) { c.Insert = "ftp://127.0.0.1" }, "plain http": func(c *vlhttp.Config) { c.Insert = "http://db.example:9428" },
		"a plain select": func(c *vlhttp.Config) { c.Select = "http://192.0.2.1" }, "credentials in it": func(c *vlhttp.Config) { c.Insert = "https://u:" + password + "@db.example" },
		"arguments": func(c *vlhttp.Config) { c.Insert += "?a=b" }, "no retention": func(c *vlhttp.Config) { c.Retention = time.Hour },
		"a short hold": func(c *vlhttp.Config) { c.Hold = time.Millisecond }, "two credentials": func(c *vlhttp.Config) { c.User, c.Token.Value = "u", "t" },
		"no such authority": func(c *vlhttp.Config) { c.CAFile = "/nonexistent" }, "an empty authority": func(c *vlhttp.Config) { c.CAFile = "client_test.go" },
	} {
		bad := good
		spoil(&bad)
		_, err := vlhttp.Open(bad, slog.New(slog.DiscardHandler))
		if fault.KindOf(err) != fault.Invalid || strings.Contains(fmt.Sprint(err), password) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good.Insert, good.AllowPlainHTTP = "http://db.example:9428/vl/", true
	if _, err := vlhttp.Open(good, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

// TestAServerThatIsAwayOrHangs kills the server, and lets it hang: every method
// says so in the time it was given, and words of the server stay inside.
func TestAServerThatIsAwayOrHangs(t *testing.T) {
	server := start(t)
	s := open(t, vlhttp.Config{Insert: server.URL()})
	if err := s.Append(t.Context(), batch(1, 0, time.Now())); err != nil {
		t.Fatal(err)
	}
	ask := map[string]func(ctx context.Context) error{
		"append": func(ctx context.Context) error { return s.Append(ctx, batch(1, 1, time.Now())) },
		"flush":  s.Flush, "sync": s.Sync, "ping": s.Ping,
		"known": func(ctx context.Context) error {
			_, err := s.Known(ctx, 1, uids(0, 1), time.Now().Add(-time.Hour), time.Now())
			return err
		},
		"search": func(ctx context.Context) error {
			_, err := s.Search(ctx, storetest.Scope(tenantOne), eventstore.Query{})
			return err
		},
		"stats":  func(ctx context.Context) error { _, err := s.Stats(ctx); return err },
		"delete": func(ctx context.Context) error { return s.DeleteTenant(ctx, 1, time.Time{}) },
	}
	server.Pause()
	for name, fn := range ask {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := fn(ctx); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s of a server that hangs: %v", name, err)
		}
		cancel()
	}
	server.Resume()
	server.Kill()
	for name, fn := range ask {
		err := fn(t.Context())
		if fault.KindOf(err) != fault.Unavailable || strings.Contains(fault.PublicOf(err), "127.0.0.1") {
			t.Errorf("%s of a server that is away: %v, %q", name, err, fault.PublicOf(err))
		}
	}
	server.Restart()
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestARestartIsNotNoticed asks over connections that died with the server.
func TestARestartIsNotNoticed(t *testing.T) {
	server := start(t)
	s := open(t, vlhttp.Config{Insert: server.URL()})
	if err := s.Append(t.Context(), batch(1, 0, time.Now())); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		server.Stop()
		server.Restart()
		rows, err := s.Search(t.Context(), storetest.Scope(tenantOne), eventstore.Query{})
		if err != nil || len(rows) != 1 {
			t.Errorf("it finds %v, %v", rows, err)
		}
	}
}

// TestWhatTheServerRefusesStaysInside lets the server give up a query at its own
// bound, whose name no reader learns.
func TestWhatTheServerRefusesStaysInside(t *testing.T) {
	server := start(t, "-search.maxQueryDuration=1ms")
	s := open(t, vlhttp.Config{Insert: server.URL()})
	if err := s.Append(t.Context(), batch(20_000, 0, time.Now())); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := s.Search(t.Context(), storetest.Scope(tenantOne), eventstore.Query{LogsQL: `* | unpack_words from _msg as w | unroll by (w) | stats by (w, "metadata.uid") count() n | sort by (n)`})
	if k := fault.KindOf(err); k != fault.Exhausted && k != fault.Unavailable || strings.Contains(fault.PublicOf(err), "maxQuery") {
		t.Errorf("the server's bound: %v, %q", err, fault.PublicOf(err))
	}
}
