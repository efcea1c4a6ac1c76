package systems

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/fault"
)

// dropEvery is how often the folder is looked at; settleFor is how long a file
// must have been left alone, so that none is read while it is being copied.
const (
	dropEvery = 10 * time.Second
	settleFor = 5 * time.Second
)

// dropped are the endings of the files that are taken.
var dropped = []string{".zip", ".json", ".csv", ".gz"}

// Drop takes in what is put into a folder until ctx ends: each .zip as the feed of
// its name, others as what they are. The files stay where they are.
func (x *Systems) Drop(ctx context.Context, folder string) error {
	tick := time.NewTicker(dropEvery)
	defer tick.Stop()
	for seen := map[string]string{}; ; {
		x.sweep(ctx, folder, seen)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// sweep takes in the files of a folder that are others than were seen.
func (x *Systems) sweep(ctx context.Context, folder string, seen map[string]string) {
	list, err := os.ReadDir(folder)
	if err != nil && !os.IsNotExist(err) {
		x.d.Log.Error("the folder of advisories cannot be read", "role", "hub", "folder", folder, "err", err)
	}
	for _, e := range list {
		ext := filepath.Ext(e.Name())
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !slices.Contains(dropped, ext) || ctx.Err() != nil {
			continue
		}
		is := info.ModTime().String() + " " + strconv.FormatInt(info.Size(), 10)
		if seen[e.Name()] == is || x.d.Now().Sub(info.ModTime()).Abs() < settleFor {
			continue
		}
		seen[e.Name()] = is
		f, err := x.loadFile(ctx, access.Hub(x.d.Tree(), "advisories"), filepath.Join(folder, e.Name()))
		switch {
		case err != nil && ctx.Err() == nil:
			x.d.Log.Error("a file of advisories is not taken", "role", "hub", "file", e.Name(), "why", fault.PublicOf(err))
			if k := fault.KindOf(err); k == fault.Unavailable || k == fault.Internal {
				delete(seen, e.Name()) // It is tried again: the fault is not the file's.
			}
		case err == nil && f.Waiting != nil:
			x.d.Log.Warn("a feed of advisories is not believed until a person accepts it", "role", "hub", "feed", f.Name, "why", f.Why)
		}
	}
}

// loadFile takes a file in as a feed of its name.
func (x *Systems) loadFile(ctx context.Context, s access.Scope, name string) (Feed, error) {
	const op = "systems.file"
	f, err := os.Open(name)
	if err != nil {
		return Feed{}, fault.As(fault.NotFound, op, err, "%v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	content, err := io.ReadAll(io.LimitReader(f, MaxFeed+1))
	if err != nil {
		return Feed{}, fault.As(fault.Unavailable, op, err, "%v", err)
	}
	base := filepath.Base(name)
	return x.Load(ctx, s, strings.TrimSuffix(base, filepath.Ext(base)), base, content)
}
