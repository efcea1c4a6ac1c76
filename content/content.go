// Package content is what the project itself brings to the platform, embedded
// in the program: the Sigma rules of rules/, in exposure/ what is weak about
// services that the Internet sees, written by the project under Apache-2.0, and
// the times in which weaknesses are to be mended. It is data only: packages
// analyse/sigma and analyse/exposure read the rules, act/remediation the times;
// app puts them to work beside those that an operator adds.
package content

import (
	"embed"
	"io/fs"
)

//go:embed rules/*.yml
var rules embed.FS

//go:embed exposure/*.yaml
var exposure embed.FS

// Exposure is the folder of what is weak about exposed services.
func Exposure() fs.FS { return below(exposure, "exposure") }

// Rules is the folder of the project's own Sigma rules.
func Rules() fs.FS { return below(rules, "rules") }

func below(files embed.FS, dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic("content: " + err.Error()) // The name is a constant; the compiler checked the files.
	}
	return sub
}

//go:embed remediation.yaml
var remediation []byte

// Remediation says when a weakness must be mended.
func Remediation() []byte { return remediation }
