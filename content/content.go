// Package content is what the project itself brings to the platform, embedded
// in the program: the Sigma rules of rules/ and the fingerprints of fingerprints/,
// written by the project under Apache-2.0. It is data only: package analyse/sigma
// reads the rules, sense/surface/recog the fingerprints, sense/surface/identify the pages, and rules and
// fingerprints are put to work
// beside those that an operator adds.
package content

import (
	"embed"
	"io/fs"
)

//go:embed rules/*.yml fingerprints/*.xml
var files embed.FS

// Pages is the list of pages that web servers are asked for, as YAML.
//
//go:embed pages.yml
var Pages string

// Rules is the folder of the project's own Sigma rules.
func Rules() fs.FS { return folder("rules") }

// Fingerprints is the folder of the project's own fingerprints of services and
// devices, in recog's form.
func Fingerprints() fs.FS { return folder("fingerprints") }

func folder(name string) fs.FS {
	sub, err := fs.Sub(files, name)
	if err != nil {
		panic("content: " + err.Error()) // The name is a constant; the compiler checked the files.
	}
	return sub
}
