// Package cli is the command line: one file per subcommand. It turns flags into
// configuration, calls app, and says on standard error what went wrong, where,
// and what to do; the exit code tells the kind (fault.ExitCode).
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"noroshi/config"
	"noroshi/fault"
)

// command is one subcommand.
type command struct {
	name, args, help string
	run              func(ctx context.Context, env *environment, args []string) error
}

// environment is what a command works with.
type environment struct {
	in       io.Reader
	out, err io.Writer
}

func commands() []command {
	return []command{
		{"up", "", "start everything on this machine: hub, sensor, resolvers", up},
		{"hub", "[enrol | tokens | link | issue | callout]", "start the hub; 'hub enrol' makes a token for a node, 'hub tokens' lists them, 'hub link' makes a sign-in link; for an external bus 'hub issue' makes a server's certificate, 'hub callout' a key", hub},
		{"sensor", "--join TOKEN", "start the sensor of this machine", sensor},
		{"resolver", "--join TOKEN", "start a protective resolver", resolver},
		{"drill", "", "rehearse the signal from attack to protection and time its hops", runDrill},
		{"status", "", "say how far each hop of the line is behind, and why; exits with 0 fine, 1 slow, 2 stuck", showStatus},
		{"organisation", "list | delete SLUG --basis TEXT | deletions", "who is in the federation; let one leave, with everything it has here", organisation},
		{"person", "add NAME --org SLUG --role ROLE", "let somebody sign in: viewer, analyst, operator or administrator of an organisation", person},
		{"backup", "--to FILE | verify FILE", "copy the hub of this machine into one file, or check such a file", runBackup},
		{"restore", "--from FILE", "make a hub out of a backup", runRestore},
		{"surface", "scan | check", "look from outside at what an owner has authorised to be looked at; say why a probe is allowed or refused", surfaceCommand},
		{"iot", "classify FILE | infected --darknet FILE", "say which devices a scan has seen and what is weak about them, and which are infected; needs no hub", iotCommand},
		{"scope", "list | show ID | propose FILE --org SLUG | approve ID | withdraw ID --reason TEXT", "record at the hub what an owner has authorised to be scanned; two people put it in force", scopes},
		{"scanner", "", "scan what scopes in force allow, and hand in what is seen", scanner},
		{"notice", "survey FILE | infected | list | …", "tell owners of weak devices through their providers: hand in surveys, send, export, look again, and count", runNotice},
		{"mail", "list | add ADDRESS --org SLUG | stop WHO | test ID | letters", "who gets reminders and notices by mail, once a day, and what became of it", runMail},
		{"discover", "--domain NAME --prefix PREFIX --resolver ADDRESS:PORT", "look for the names and addresses that an organisation has, from what it declares; needs no hub", runDiscover},
		{"discoveries", "list | show ID | confirm ID | reject ID | run", "what walks found at the hub, whose it probably is and why; a person's judgement is remembered", discoveries},
		{"sbom", "scan DIR | check FILE… | who-is-hit CVE FILE… | quality FILE…", "say what a system is made of, which known weaknesses hit it, and who is hit by one; needs no hub", runSBOM},
		{"system", "list | add NAME | show ID | upload ID FILE | compare ID | retire ID | judge ID CVE | decide FILE | vex", "the systems of the organisations with their bills of materials, at the hub", runSystem},
		{"who-is-hit", "CVE", "who of the systems at the hub has a known weakness, through what, and where its action stands", whoAtHub},
		{"advisory", "list | load FILE | accept FEED", "what systems are matched with, at the hub", runAdvisory},
		{"action", "list | show ID | submit FILE | …", "what must be done about weaknesses, by whom and by when; work on it, hand in what was seen, and see what is proved", runAction},
		{"doctor", "", "say what this machine can and cannot do", doctor},
		{"config", "check | dump | explain [KEY]", "read, show or explain the configuration", configure},
		{"version", "", "print the version", printVersion},
	}
}

// Main runs the program and returns its exit code.
func Main(ctx context.Context, args []string, in io.Reader, out, errw io.Writer) int {
	env := &environment{in, out, errw}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(out)
		return 0
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, env, args[1:])
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		var code exitCode
		if errors.As(err, &code) {
			return int(code)
		}
		if err != nil {
			fmt.Fprintf(errw, "noroshi %s: %s\n", c.name, fault.PublicOf(err))
			if fault.KindOf(err) == fault.Internal {
				fmt.Fprintf(errw, "  cause: %v\n", err)
			}
		}
		return fault.ExitCode(err)
	}
	fmt.Fprintf(errw, "noroshi: there is no command %q; 'noroshi help' lists them\n", args[0])
	return 2
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Noroshi 狼煙: what one sees, all are protected from a second later.\n\nUsage: noroshi COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-12s %-30s %s\n", c.name, c.args, c.help)
	}
	fmt.Fprint(w, "\nEvery command has --help. No configuration is needed; --config FILE or NOROSHI_… variables change it.\n")
}

// flags makes the flag set of a command with --config and --data, which all
// have.
func flags(env *environment, name string) (*flag.FlagSet, func() (config.Config, error)) {
	fs := flag.NewFlagSet("noroshi "+name, flag.ContinueOnError)
	fs.SetOutput(env.err)
	file := fs.String("config", os.Getenv("NOROSHI_CONFIG"), "configuration file (YAML)")
	data := fs.String("data", "", "data folder, instead of the configuration's data_dir")
	return fs, func() (config.Config, error) {
		c, err := config.Load(*file, os.Environ())
		if *data != "" {
			c.DataDir = *data
		}
		return c, err
	}
}

// parse reads flags and refuses what is left over.
func parse(fs *flag.FlagSet, args []string) error { return parseUpTo(fs, args, 0) }

// parseUpTo reads flags and leaves at most n words behind them.
func parseUpTo(fs *flag.FlagSet, args []string, n int) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fault.New(fault.Invalid, "cli.flags", "%v", err)
	}
	if fs.NArg() > n {
		return fault.New(fault.Invalid, "cli.flags", "%q is not expected here; --help shows what is", fs.Arg(n))
	}
	return nil
}
