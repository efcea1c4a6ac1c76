// Package ledgertest runs a test on every engine of the ledger: SQLite in a
// temporary folder, and a real PostgreSQL server started from Debian's package
// for the test binary alone. Only tests import it.
package ledgertest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"noroshi/ledger"
)

// Each runs fn once per engine.
func Each(t *testing.T, fn func(t *testing.T, db *ledger.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { fn(t, Postgres(t)) })
}

// SQLite opens a fresh ledger in a file.
func SQLite(t testing.TB) *ledger.DB {
	t.Helper()
	return open(t, "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"))
}

// Postgres opens a fresh database on the test binary's server. It skips where
// PostgreSQL is not installed, and fails there when CI=true.
func Postgres(t testing.TB) *ledger.DB {
	t.Helper()
	s, err := server()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	name, err := s.fresh()
	if err != nil {
		t.Fatal(err)
	}
	return open(t, s.url(name))
}

func open(t testing.TB, url string) *ledger.DB {
	t.Helper()
	db, err := ledger.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

type pgServer struct {
	dir string
	mu  sync.Mutex
	n   int
}

// server starts PostgreSQL once per test binary. The kernel ends it with the
// binary, however the binary ends.
var server = sync.OnceValues(func() (*pgServer, error) {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		return nil, fmt.Errorf("PostgreSQL is not installed; Debian's package postgresql has it")
	}
	bin := bins[len(bins)-1]
	dir, err := os.MkdirTemp("", "noroshi-pg-")
	if err != nil {
		return nil, err
	}
	attr, err := asPostgres(dir)
	if err != nil {
		return nil, err
	}
	run := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir, c.SysProcAttr = dir, attr
		return c
	}
	data := filepath.Join(dir, "data")
	if out, err := run("initdb", "-D", data, "-U", "noroshi", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	c := run("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100", "-c", "shared_buffers=32MB")
	started := make(chan error, 1)
	// The parent-death signal follows the thread that started the child: this
	// thread is kept for the life of the binary.
	go func() {
		runtime.LockOSThread()
		err := c.Start()
		started <- err
		if err == nil {
			_ = c.Wait()
			_ = os.RemoveAll(dir)
		}
		select {}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	s := &pgServer{dir: dir}
	return s, s.ready()
})

func asPostgres(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() != 0 {
		return attr, nil
	}
	// The server refuses to run as root.
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, uid, gid)
}

func (s *pgServer) url(db string) string {
	return fmt.Sprintf("postgres://noroshi@/%s?host=%s", db, s.dir)
}

func (s *pgServer) ready() error {
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	deadline := time.Now().Add(60 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.Ping()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("PostgreSQL did not start: %w", err)
		}
		<-tick.C
	}
}

// fresh makes an empty database.
func (s *pgServer) fresh() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	name := "t" + strconv.Itoa(s.n)
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	_, err = db.Exec("CREATE DATABASE " + name)
	return name, err
}
