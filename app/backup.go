package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"noroshi/api/operator"
	"noroshi/backup"
	"noroshi/bus"
	"noroshi/config"
	"noroshi/eventstore/victorialogs"
	"noroshi/fault"
	"noroshi/ledger"
)

// What becomes of the keys in a backup.
const (
	KeysSealed = "sealed" // with a passphrase
	KeysPlain  = "plain"
	KeysNone   = "none"
)

// BackupOptions say what goes into a backup.
type BackupOptions struct {
	Keys       string `json:"keys"` // KeysSealed, KeysPlain or KeysNone
	Passphrase string `json:"passphrase,omitempty"`
	NoEvents   bool   `json:"no_events,omitempty"`
}

func (o BackupOptions) check() error {
	const op = "app.backup"
	switch {
	case o.Keys == KeysSealed && len(o.Passphrase) < backup.MinPassphrase:
		return fault.New(fault.Invalid, op, "the passphrase is shorter than %d bytes", backup.MinPassphrase)
	case o.Keys != KeysSealed && o.Keys != KeysPlain && o.Keys != KeysNone:
		return fault.New(fault.Invalid, op, "say what becomes of the keys: sealed, plain or none")
	case o.Keys != KeysSealed && o.Passphrase != "":
		return fault.New(fault.Invalid, op, "a passphrase is for sealed keys")
	}
	return nil
}

// Backup writes an archive of the hub in the data folder: a running hub is asked
// to copy itself, one that is stopped is copied directly.
func Backup(ctx context.Context, cfg config.Config, o BackupOptions, w io.Writer, log *slog.Logger) error {
	if err := o.check(); err != nil {
		return err
	}
	unlock, err := lockExisting(cfg)
	if fault.KindOf(err) == fault.Conflict {
		return operator.Dial(Socket(cfg.DataDir)).Stream(ctx, "/backup", o, w)
	}
	if err != nil {
		return err
	}
	return errors.Join(backupStopped(ctx, cfg, o, w, log), unlock())
}

// lockExisting takes the lock of a data folder that a hub has worked in.
func lockExisting(cfg config.Config) (func() error, error) {
	if _, err := os.Stat(filepath.Join(cfg.DataDir, "identity", "ca.key")); err != nil {
		return nil, fault.As(fault.NotFound, "app.backup", err, "there is no hub in %s; say --data, or --config", cfg.DataDir)
	}
	return lock(cfg.DataDir)
}

// backupStopped opens the parts of a hub that does not run.
func backupStopped(ctx context.Context, cfg config.Config, o BackupOptions, w io.Writer, log *slog.Logger) (err error) {
	if err := whole(cfg.DataDir); err != nil {
		return err
	}
	parts := newRunner()
	defer func() { err = errors.Join(err, parts.stop()) }()
	src := backup.Source{}
	// A schema that is behind is copied as it is.
	if src.Ledger, err = ledger.Open(ctx, ledgerURL(cfg), ledger.AsItIs()); err != nil {
		return err
	}
	parts.cleanup("ledger", src.Ledger.Close)
	server, err := quietBus(cfg, filepath.Join(cfg.DataDir, "bus"), log)
	if err != nil {
		return err
	}
	parts.cleanup("bus", func() error { server.Close(); return nil })
	line, err := server.Hub(ctx, bus.Single(int64(cfg.Hub.BusMiB)<<20))
	if err != nil {
		return err
	}
	parts.cleanup("line", func() error { line.Close(); return nil })
	src.Bus = line
	if _, err := os.Stat(filepath.Join(cfg.DataDir, "events")); err == nil && !o.NoEvents {
		s, err := victorialogs.Open(victorialogs.Config{Dir: filepath.Join(cfg.DataDir, "events"), MemoryMiB: cfg.Hub.EventsMiB, Retention: time.Duration(cfg.Hub.RetentionDays) * 24 * time.Hour}, log)
		if err != nil {
			return err
		}
		parts.cleanup("events", s.Close)
		src.Events = s
	}
	return makeBackup(ctx, cfg.DataDir, src, o, w)
}

// quietBus opens the bus for its files: it listens on a port of this machine and
// admits nobody.
func quietBus(cfg config.Config, dir string, log *slog.Logger) (*bus.Server, error) {
	return bus.NewServer(bus.ServerConfig{Dir: dir, Listen: "127.0.0.1:0", TLS: &tls.Config{MinVersion: tls.VersionTLS13}, MaxBytes: int64(cfg.Hub.BusMiB) << 20}, bus.ServerDeps{Log: log})
}

func makeBackup(ctx context.Context, dataDir string, src backup.Source, o BackupOptions, w io.Writer) (err error) {
	src.Program, src.Now, src.Passphrase = Version(), time.Now(), []byte(o.Passphrase)
	if o.Keys != KeysNone {
		if src.Keys, err = keysIn(dataDir); err != nil {
			return err
		}
	}
	return backup.Make(ctx, w, src)
}

// maxKey is more than any file of an identity has.
const maxKey = 1 << 20

// keysIn reads the identities below a data folder: the hub's, and those of the
// nodes that run in its process.
func keysIn(dataDir string) (map[string][]byte, error) {
	const op = "app.keys"
	out := map[string][]byte{}
	dirs, err := filepath.Glob(filepath.Join(dataDir, "nodes", "*", "identity"))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	for _, dir := range append(dirs, filepath.Join(dataDir, "identity")) {
		list, err := os.ReadDir(dir)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		for _, e := range list {
			if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			path := filepath.Join(dir, e.Name())
			b, err := os.ReadFile(path)
			if err != nil {
				return nil, fault.Wrap(op, err)
			}
			if len(b) > maxKey {
				return nil, fault.New(fault.TooLarge, op, "%s is no key: it is %d bytes", path, len(b))
			}
			name, err := filepath.Rel(dataDir, path)
			if err != nil {
				return nil, fault.Wrap(op, err)
			}
			out[filepath.ToSlash(name)] = b
		}
	}
	return out, nil
}

// backup answers the operator's question for a copy of the running hub. What
// goes wrong after the first byte is told behind the last.
func (h *hub) backup(w http.ResponseWriter, r *http.Request) {
	refuse := func(err error) { http.Error(w, fault.PublicOf(err), http.StatusConflict) }
	var o BackupOptions
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&o); err != nil {
		refuse(fault.As(fault.Invalid, "app.backup", err, "the question cannot be read"))
		return
	}
	if err := o.check(); err != nil {
		refuse(err)
		return
	}
	if !h.copying.TryLock() {
		refuse(fault.New(fault.Conflict, "app.backup", "a backup is under way"))
		return
	}
	defer h.copying.Unlock()
	// A large store takes longer than any other answer.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		refuse(err)
		return
	}
	w.Header().Set("Trailer", operator.ErrorTrailer)
	src := backup.Source{Ledger: h.db, Bus: h.line}
	if s := h.snapshots; s != nil && !o.NoEvents {
		src.Events = s
	}
	err := makeBackup(r.Context(), h.cfg.DataDir, src, o, w)
	if err != nil {
		h.log.Error("the backup failed", "role", "hub", "err", err)
		w.Header().Set(operator.ErrorTrailer, fault.PublicOf(err))
		return
	}
	h.log.Info("a backup was made", "role", "hub", "keys", o.Keys, "events", src.Events != nil)
}
