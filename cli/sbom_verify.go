package cli

import (
	"flag"
	"fmt"

	"noroshi/fault"
	"noroshi/sense/sbom"
)

// verifySBOM compares files with the hashes that a bill of materials has of them.
func verifySBOM(env *environment, args []string) error {
	fs := flag.NewFlagSet("noroshi sbom verify SBOM DIR", flag.ContinueOnError)
	fs.SetOutput(env.err)
	asJSON := fs.Bool("json", false, "answer in JSON")
	rest, err := anyOrder(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 2 {
		return fault.New(fault.Invalid, "cli.sbom", "say what and where its files are: noroshi sbom verify SBOM DIR")
	}
	files, err := sbom.ReadFiles(rest[0])
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fault.New(fault.NotFound, "cli.sbom", "it has no hash of a file (components of type file, or files of SPDX); those of packages are of what was downloaded").At("%s", rest[0])
	}
	v, err := sbom.Verify(files, rest[1])
	if err != nil {
		return err
	}
	if *asJSON {
		err = writeJSON(env.out, v)
	} else {
		for _, w := range v.Wrong {
			fmt.Fprintf(env.out, "another content: %s is %s, %s says %s\n", plain(w.Path), plain(w.Is), plain(w.Place), plain(w.Says))
		}
		for _, w := range v.Absent {
			fmt.Fprintf(env.out, "not there: %s (%s)\n", plain(w.Path), plain(w.Place))
		}
		for _, w := range v.Open {
			fmt.Fprintf(env.out, "not compared: %s (%s): %s\n", plain(w.Path), plain(w.Place), plain(w.Why))
		}
		fmt.Fprintf(env.out, "%d files are as the bill says, %d have another content, %d are not there, %d were not compared\n", v.Same, len(v.Wrong), len(v.Absent), len(v.Open))
	}
	if err == nil && len(v.Wrong) > 0 {
		return exitCode(1)
	}
	return err
}
