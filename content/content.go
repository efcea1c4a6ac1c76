// Package content is what the project itself brings to the platform, embedded
// in the program, written by the project under Apache-2.0: the Sigma rules of
// rules/, fingerprints of services in fingerprints/, in exposure/ what is weak
// about services that the Internet sees, in devices/ what is known of devices, the
// pages that web servers are asked for, the times in which weaknesses are to be
// mended, in notices/ the words of notices to owners of devices, and in discovery/
// the labels that are guessed. It is data only: the stages read it, and app puts
// it to work beside what an operator adds.
package content

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed rules/*.yml fingerprints/*.xml exposure/*.yaml devices/*.yaml notices/words.yaml
var files embed.FS

// Rules is the folder of the project's own Sigma rules.
func Rules() fs.FS { return folder("rules") }

// Fingerprints is the folder of the project's own fingerprints of services and
// devices, in recog's form.
func Fingerprints() fs.FS { return folder("fingerprints") }

// Exposure is the folder of what is weak about exposed services.
func Exposure() fs.FS { return folder("exposure") }

// Devices is the folder of what is known of devices: signs, weak firmware and
// management that should not be seen.
func Devices() fs.FS { return folder("devices") }

// Notices is the folder of the words of notices to owners of devices.
func Notices() fs.FS { return folder("notices") }

func folder(name string) fs.FS {
	sub, err := fs.Sub(files, name)
	if err != nil {
		panic("content: " + err.Error()) // The names are constants; the compiler checked the files.
	}
	return sub
}

// Pages is the list of pages that web servers are asked for, as YAML.
//
//go:embed pages.yml
var Pages string

//go:embed remediation.yaml
var remediation []byte

// Remediation says when a weakness must be mended.
func Remediation() []byte { return remediation }

//go:embed discovery/words.txt
var words string

// Labels are what hosts are often called; a walk guesses them below a declared
// domain.
func Labels() []string {
	var out []string
	for line := range strings.Lines(words) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}
