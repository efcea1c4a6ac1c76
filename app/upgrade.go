package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"noroshi/backup"
	"noroshi/config"
	"noroshi/fault"
	"noroshi/ledger"
)

// ledgerURL is where the ledger is.
func ledgerURL(cfg config.Config) string {
	if cfg.Hub.Ledger != "" {
		return cfg.Hub.Ledger
	}
	return "sqlite:" + filepath.Join(cfg.DataDir, "ledger.db")
}

// copyFirst keeps a copy of the ledger before its schema is changed.
func copyFirst(cfg config.Config, log *slog.Logger) ledger.Option {
	return ledger.BeforeUpgrade(func(ctx context.Context, db *ledger.DB, u ledger.Upgrade) (string, error) {
		const op = "app.upgrade"
		if cfg.Hub.NoUpgradeCopy {
			log.Warn("the ledger's schema is changed without a copy, as hub.migrate_without_backup says", "role", "hub", "from", u.From, "to", u.To)
			return "", nil
		}
		dir := filepath.Join(cfg.DataDir, "backups")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", fault.As(fault.Unavailable, op, err, "the folder %s cannot be made: %v", dir, err)
		}
		if err := db.Sound(ctx); err != nil {
			return "", err
		}
		now := time.Now()
		path := filepath.Join(dir, fmt.Sprintf("ledger-%s-v%03d%s", now.UTC().Format("20060102T150405.000Z"), u.From, ArchiveSuffix))
		src := backup.Source{Program: Version(), Now: now, Ledger: db}
		_, m, err := WriteArchive(ctx, path, nil, func(w io.Writer) error { return backup.Make(ctx, w, src) })
		if err != nil {
			return "", fault.As(fault.KindOf(err), op, err, "%s (to upgrade without a copy, because you have one of your own, say hub.migrate_without_backup: true or --migrate-without-backup)", reason(err))
		}
		log.Info("the ledger is copied before its schema changes", "role", "hub", "copy", path, "bytes", m.Bytes(), "from", u.From, "to", u.To, "steps", strings.Join(u.Steps, " "))
		return path, forgetOld(dir, cfg.Hub.UpgradeCopies)
	})
}

// reason is what an error says to people, or what the system said.
func reason(err error) string {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Error()
	}
	return fault.PublicOf(err)
}

// forgetOld removes the oldest copies made before upgrades.
func forgetOld(dir string, keep int) error {
	list, err := filepath.Glob(filepath.Join(dir, "ledger-*"+ArchiveSuffix))
	if err != nil {
		return fault.Wrap("app.upgrade", err)
	}
	slices.Sort(list) // By their date.
	for len(list) > max(1, keep) {
		if err := os.Remove(list[0]); err != nil {
			return fault.Wrap("app.upgrade", err)
		}
		list = list[1:]
	}
	return nil
}
