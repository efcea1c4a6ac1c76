package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"noroshi/app"
	"noroshi/backup"
	"noroshi/fault"
)

const passphraseHelp = "file with the passphrase that seals the keys in a backup; - reads it from standard input"

func runBackup(ctx context.Context, env *environment, args []string) error {
	if len(args) > 0 && args[0] == "verify" {
		return verifyBackup(ctx, env, args[1:])
	}
	fs, get := flags(env, "backup")
	to := fs.String("to", "", "file to write, or folder in which to make one")
	pass := fs.String("keys-passphrase-file", "", passphraseHelp)
	plain := fs.Bool("plain-keys", false, "write the keys in the clear: whoever reads the file can be the platform")
	none := fs.Bool("without-keys", false, "leave the keys out: without them every node must join again")
	noEvents := fs.Bool("without-events", false, "leave the events out")
	if err := parse(fs, args); err != nil {
		return err
	}
	cfg, log, err := prepare(env, get)
	if err != nil {
		return err
	}
	o := app.BackupOptions{NoEvents: *noEvents}
	passphrase, err := readPassphrase(env.in, *pass)
	if err != nil {
		return err
	}
	switch {
	case passphrase != nil && !*plain && !*none:
		o.Keys, o.Passphrase = app.KeysSealed, string(passphrase)
	case passphrase == nil && *plain && !*none:
		o.Keys = app.KeysPlain
	case passphrase == nil && !*plain && *none:
		o.Keys = app.KeysNone
	default:
		return fault.New(fault.Invalid, "cli.backup", "say what becomes of the keys, which are the platform: --keys-passphrase-file FILE seals them, --plain-keys writes them in the clear, --without-keys leaves them out")
	}
	path, err := archivePath(*to, time.Now())
	if err != nil {
		return err
	}
	h, m, err := app.WriteArchive(ctx, path, passphrase, func(w io.Writer) error { return app.Backup(ctx, cfg, o, w, log) })
	if err != nil {
		return err
	}
	fmt.Fprintf(env.out, "written and read back: %s\n", path)
	describe(env.out, h, m)
	return nil
}

// archivePath is where a backup goes.
func archivePath(to string, now time.Time) (string, error) {
	if to == "" {
		return "", fault.New(fault.Invalid, "cli.backup", "say where to: --to FILE or --to FOLDER")
	}
	if st, err := os.Stat(to); err == nil && st.IsDir() {
		return filepath.Join(to, "noroshi-"+now.UTC().Format("20060102T150405Z")+app.ArchiveSuffix), nil
	}
	return to, nil
}

// readPassphrase reads the first line of a file; no name is no passphrase.
func readPassphrase(in io.Reader, name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fault.As(fault.NotFound, "cli.passphrase", err, "the passphrase cannot be read: %v", err)
		}
		defer func() { _ = f.Close() }() // It was only read.
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, 4<<10))
	if err != nil {
		return nil, fault.Wrap("cli.passphrase", err)
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if len(line) < backup.MinPassphrase {
		return nil, fault.New(fault.Invalid, "cli.passphrase", "the passphrase is shorter than %d bytes", backup.MinPassphrase)
	}
	return line, nil
}

func verifyBackup(ctx context.Context, env *environment, args []string) error {
	file := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		file, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet("noroshi backup verify FILE", flag.ContinueOnError)
	fs.SetOutput(env.err)
	pass := fs.String("keys-passphrase-file", "", passphraseHelp)
	if err := parse(fs, args); err != nil {
		return err
	}
	if file == "" {
		return fault.New(fault.Invalid, "cli.verify", "say which: noroshi backup verify FILE")
	}
	passphrase, err := readPassphrase(env.in, *pass)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return fault.As(fault.NotFound, "cli.verify", err, "the backup cannot be read: %v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	h, m, err := backup.Verify(ctx, f, passphrase)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.out, "whole and unchanged: %s\n", file)
	describe(env.out, h, m)
	return nil
}

// describe says what a backup holds.
func describe(w io.Writer, h backup.Header, m backup.Manifest) {
	var rows, events int64
	for _, n := range m.Rows {
		rows += n
	}
	for _, f := range m.Files {
		if strings.HasPrefix(f.Name, backup.Events+"/") {
			events += f.Size
		}
	}
	// What the file says of itself is quoted: it may come from anywhere.
	fmt.Fprintf(w, "  made      %s by noroshi %q\n", h.Made.Local().Format(time.DateTime), h.Program)
	fmt.Fprintf(w, "  ledger    %d rows, schema %d, from %q\n", rows, h.Version(), h.Engine)
	for _, p := range []struct{ part, has, hasNot string }{
		{backup.Bus, "what waited to be processed", "not in it"},
		{backup.Events, fmt.Sprintf("%.1f MiB", float64(events)/(1<<20)), "not in it"},
		{backup.Keys, keysSay(h), "not in it: without them every node must join again"},
	} {
		say := p.hasNot
		if h.Has(p.part) {
			say = p.has
		}
		fmt.Fprintf(w, "  %-9s %s\n", p.part, say)
	}
}

func keysSay(h backup.Header) string {
	if h.Sealed {
		return "sealed with the passphrase"
	}
	return "IN THE CLEAR: keep this file as you would keep the keys"
}

func runRestore(ctx context.Context, env *environment, args []string) error {
	fs, get := flags(env, "restore")
	from := fs.String("from", "", "the backup")
	pass := fs.String("keys-passphrase-file", "", passphraseHelp)
	to := fs.String("ledger", "", "an empty database to restore the ledger into (postgres://…), instead of hub.ledger of the configuration")
	force := fs.Bool("force", false, "move aside what stands in the way")
	if err := parse(fs, args); err != nil {
		return err
	}
	cfg, log, err := prepare(env, get)
	if err != nil {
		return err
	}
	if *from == "" {
		return fault.New(fault.Invalid, "cli.restore", "say which backup: --from FILE")
	}
	if *to != "" {
		cfg.Hub.Ledger = *to
	}
	passphrase, err := readPassphrase(env.in, *pass)
	if err != nil {
		return err
	}
	r, err := app.Restore(ctx, cfg, app.RestoreOptions{From: *from, Passphrase: passphrase, Force: *force}, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.out, "restored into %s: %s\n", cfg.DataDir, strings.Join(r.Parts, ", "))
	describe(env.out, r.Header, r.Manifest)
	if r.Aside != "" {
		fmt.Fprintf(env.out, "what was there is in %s\n", r.Aside)
	}
	if *to != "" {
		fmt.Fprintln(env.out, "start the hub with hub.ledger set to that database")
	}
	if slices.Contains(r.Parts, backup.Bus) && !r.Has(backup.Keys) {
		fmt.Fprintln(env.out, "put the keys back into "+filepath.Join(cfg.DataDir, "identity")+" before the hub starts: it makes new ones otherwise")
	}
	return nil
}
