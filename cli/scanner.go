package cli

import (
	"context"
	"os"
	"time"

	"noroshi/app"
	"noroshi/fault"
	"noroshi/sense/surface"
)

// scanner scans what scopes in force allow, for the hub of this machine.
func scanner(ctx context.Context, env *environment, args []string) error {
	fs, get := flags(env, "scanner")
	host, _ := os.Hostname() // A machine without a name is called so.
	name := fs.String("name", host, "the scanner's name, one for ever: the hub gives it back what it left unfinished")
	socket := fs.String("socket", "", "the hub's socket for scanners; scanner.sock in the data folder when left out")
	iface := fs.String("interface", "", "interface by which probes leave; the route's when left out")
	mode := fs.String("mode", string(surface.Auto), "syn (needs CAP_NET_RAW and a router before the targets), connect, or auto: what is possible")
	dir := fs.String("recog", "", "folder with more fingerprints in recog's XML form")
	roots := rootsFlag(fs)
	if err := parse(fs, args); err != nil {
		return err
	}
	if m := surface.Mode(*mode); m != surface.Auto && m != surface.SYN && m != surface.Connect {
		return fault.New(fault.Invalid, "cli.scanner", "--mode takes auto, syn or connect")
	}
	cfg, log, err := prepare(env, get)
	if err != nil {
		return err
	}
	engine, err := newEngine(false, *dir, "") // Whom to ask, the scope says.
	if err != nil {
		return err
	}
	if engine.Roots, err = trustedRoots(*roots); err != nil {
		return err
	}
	o := app.ScannerOptions{Name: *name, Socket: *socket, Scan: surface.Options{Interface: *iface, Mode: surface.Mode(*mode), Wait: 3 * time.Second}, Identify: *engine}
	sc, err := app.StartScanner(cfg, o, log)
	if err != nil {
		return err
	}
	log.Info("scanner is at work", "role", "scanner", "as", *name)
	return stay(ctx, sc, log)
}
