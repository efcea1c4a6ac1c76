// Package ledgertest runs a test on every engine of the ledger: SQLite in a
// temporary folder, and a real PostgreSQL server started from Debian's package
// for the test binary alone. Only tests import it.
package ledgertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"noroshi/ledger"
)

// Each runs fn once per engine, on a fresh ledger.
func Each(t *testing.T, fn func(t *testing.T, db *ledger.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { fn(t, Postgres(t)) })
}

// EachURL runs fn once per engine, with the address of a fresh ledger that
// nobody has opened yet.
func EachURL(t *testing.T, fn func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, sqliteURL(t)) })
	t.Run("postgres", func(t *testing.T) { fn(t, postgresURL(t)) })
}

// SQLite opens a fresh ledger in a file.
func SQLite(t testing.TB) *ledger.DB {
	t.Helper()
	return open(t, sqliteURL(t))
}

// Postgres opens a fresh database on the test binary's server. It skips where
// PostgreSQL is not installed, and fails there when CI=true.
func Postgres(t testing.TB) *ledger.DB {
	t.Helper()
	return open(t, postgresURL(t))
}

func sqliteURL(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "ledger.db")
}

func postgresURL(t testing.TB) string {
	t.Helper()
	s, err := server()
	if errors.Is(err, errNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := s.fresh()
	if err != nil {
		t.Fatal(err)
	}
	return s.url(name)
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

var errNotInstalled = errors.New("PostgreSQL is not installed; Debian's package postgresql has it")

type pgServer struct {
	dir  string
	life io.Closer // the server runs while this is open
	mu   sync.Mutex
	n    int
}

// keeper runs the server until its standard input ends, which the kernel sees to
// however the test binary ends, then removes what the server wrote.
const keeper = `
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
  -c max_connections=100 -c shared_buffers=32MB >"$2/log" 2>&1 &
read -r _
kill -QUIT $!
wait
cd / && rm -rf "$2"`

// server starts PostgreSQL once per test binary.
var server = sync.OnceValues(func() (*pgServer, error) {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		return nil, errNotInstalled
	}
	bin := bins[len(bins)-1]
	dir, err := os.MkdirTemp("", "noroshi-pg-")
	if err != nil {
		return nil, err
	}
	s, err := start(bin, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, s.ready()
})

func start(bin, dir string) (*pgServer, error) {
	attr, err := asPostgres(dir)
	if err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"),
		"-U", "noroshi", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, attr
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	c := exec.Command("sh", "-c", keeper, "sh", bin, dir)
	c.Dir, c.SysProcAttr = dir, attr
	life, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &pgServer{dir: dir, life: life}, c.Start()
}

// asPostgres gives the server a process group of its own, so that an interrupt
// at the terminal reaches the tests first, and another user than root, which
// the server refuses to run as.
func asPostgres(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
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
