// Package web holds the console's built files. They are made by `make web` from
// the sources beside; without them the console says so.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Dist is the built console.
func Dist() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("web: " + err.Error()) // The name is a constant.
	}
	return sub
}
