// Package content is what the project itself brings to the platform, embedded
// in the program, written by the project under Apache-2.0: the Sigma rules of
// rules/, in exposure/ what is weak about services that the Internet sees, in
// devices/ what is known of devices, the times in which weaknesses are to be
// mended, and in notices/ the words of notices to owners of devices. It is data
// only: analyse/sigma, analyse/exposure, analyse/iot, act/remediation and
// share/notice read it; app puts it to work beside what an operator adds.
package content

import (
	"embed"
	"io/fs"
)

//go:embed rules/*.yml
var rules embed.FS

//go:embed exposure/*.yaml
var exposure embed.FS

//go:embed devices/*.yaml
var devices embed.FS

//go:embed notices/words.yaml
var notices embed.FS

// Notices is the folder of the words of notices to owners of devices.
func Notices() fs.FS { return below(notices, "notices") }

// Devices is the folder of what is known of devices: signs, weak firmware and
// management that should not be seen.
func Devices() fs.FS { return below(devices, "devices") }

// Exposure is the folder of what is weak about exposed services.
func Exposure() fs.FS { return below(exposure, "exposure") }

// Rules is the folder of the project's own Sigma rules.
func Rules() fs.FS { return below(rules, "rules") }

func below(files embed.FS, dir string) fs.FS {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic("content: " + err.Error()) // The names are constants; the compiler checked the files.
	}
	return sub
}

//go:embed remediation.yaml
var remediation []byte

// Remediation says when a weakness must be mended.
func Remediation() []byte { return remediation }
