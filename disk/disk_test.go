package disk_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noroshi/disk"
	"noroshi/disk/disktest"
	"noroshi/fault"
)

const mib = 1 << 20

// TestBrakeClosesBeforeTheDiskIsFullAndOpensAgain fills a real filesystem.
func TestBrakeClosesBeforeTheDiskIsFullAndOpensAgain(t *testing.T) {
	dir := disktest.Small(t, 64)
	b := disk.New(disk.Config{Paths: []string{dir}, WarnPercent: 50, BrakePercent: 5, BrakeBytes: 16 * mib, Reserve: 4 * mib}, time.Now)
	var heard []disk.Level
	b.OnChange = func(s disk.State) { heard = append(heard, s.Level) }
	if err := b.Closed(); err != nil {
		t.Fatalf("an empty disk is closed: %v", err)
	}
	if !b.State().Reserve {
		t.Fatal("there is no reserve")
	}
	ballast := disktest.NewBallast(t, dir)
	for b.Closed() == nil {
		if !ballast.Add() {
			t.Fatal("the disk was full before the brake closed")
		}
		b.Check()
	}
	if s := b.State(); s.Short.Free > 16*mib || s.Short.Free < 15*mib {
		t.Errorf("the brake closed at %d bytes free", s.Short.Free)
	}
	if err := b.Closed(); fault.KindOf(err) != fault.Exhausted || !strings.Contains(fault.PublicOf(err), dir) {
		t.Errorf("the brake says %v", err)
	}
	ballast.Fill()
	b.Check()
	if s := b.State(); s.Level != disk.Spent || s.Reserve {
		t.Errorf("a full disk has level %s, reserve %v", s.Level, s.Reserve)
	}
	b.Check()
	if s := b.State(); s.Level != disk.Spent {
		t.Errorf("the room of the reserve was taken for room: %s", s.Level)
	}
	if err := os.WriteFile(filepath.Join(dir, "decision"), make([]byte, mib), 0o600); err != nil {
		t.Errorf("the reserve is no room for what matters: %v", err)
	}
	ballast.Drop()
	b.Check()
	if err := b.Closed(); err != nil {
		t.Errorf("the brake did not open: %v", err)
	}
	if !b.State().Reserve {
		t.Error("the reserve was not made again")
	}
	if got := fmt.Sprint(heard); got != "[low closed spent ample]" {
		t.Errorf("heard %s", got)
	}
}

// TestBrakeDoesNotFlutter: what closed at a limit stays closed a quarter above.
func TestBrakeDoesNotFlutter(t *testing.T) {
	dir := disktest.Small(t, 64)
	b := disk.New(disk.Config{Paths: []string{dir}, BrakeBytes: 16 * mib}, time.Now)
	ballast := disktest.NewBallast(t, dir)
	for b.Closed() == nil && ballast.Add() {
		b.Check()
	}
	extra := filepath.Join(dir, "extra")
	for _, c := range []struct {
		free   int64
		closed bool
	}{{15, true}, {18, true}, {21, false}, {18, false}, {15, true}} {
		ballast.Drop()
		s, err := disk.Look(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(extra, make([]byte, int64(s.Free)-c.free*mib), 0o600); err != nil {
			t.Fatal(err)
		}
		b.Check()
		if (b.Closed() != nil) != c.closed {
			t.Errorf("with %d MiB free the brake is closed: %v", c.free, !c.closed)
		}
		if err := os.Remove(extra); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBrakeCountsInodes: many small files fill a disk that has bytes left.
func TestBrakeCountsInodes(t *testing.T) {
	dir := disktest.Small(t, 64)
	b := disk.New(disk.Config{Paths: []string{dir}, BrakePercent: 50}, time.Now)
	s, err := disk.Look(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.InodesFree - s.Inodes/2 + 2 {
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.Check()
	if b.Closed() == nil {
		t.Error("the brake does not see that there are no inodes")
	}
}

// TestBrakeWatchesEachFilesystem: the store may lie on a disk of its own.
func TestBrakeWatchesEachFilesystem(t *testing.T) {
	a, events := disktest.Small(t, 64), disktest.Small(t, 32)
	b := disk.New(disk.Config{Paths: []string{a, filepath.Join(a, "not-made-yet"), events}, BrakeBytes: 8 * mib}, time.Now)
	if n := len(b.State().Spaces); n != 2 {
		t.Fatalf("%d filesystems are watched", n)
	}
	disktest.NewBallast(t, events).Fill()
	b.Check()
	if b.Closed() == nil || b.State().Short.Path != events {
		t.Errorf("the full one is not found: %+v", b.State().Short)
	}
}

// TestBrakeClosesWhenTheDiskDoesNotAnswer: what cannot be looked at is not
// written to.
func TestBrakeClosesWhenTheDiskDoesNotAnswer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := disk.New(disk.Config{Paths: []string{filepath.Join(file, "below")}}, time.Now)
	if b.Closed() == nil || b.State().Err == nil {
		t.Error("the brake is open on a disk that nobody can look at")
	}
}
