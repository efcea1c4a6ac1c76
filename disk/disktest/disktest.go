// Package disktest gives tests a real filesystem that is small enough to fill.
package disktest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Small mounts a filesystem of its own in memory, for the time of the test. It
// needs root: without, the test is skipped with the reason, or fails where all
// tests must run.
func Small(t testing.TB, mib int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(mib)+"m,nr_inodes=65536"); err != nil {
		const why = "a small filesystem cannot be mounted (it needs root)"
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s: %v", why, err)
		}
		t.Skipf("%s: %v", why, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("the small filesystem stays mounted: %v", err)
		}
	})
	return dir
}

// Ballast is a file that takes room away.
type Ballast struct {
	t    testing.TB
	file *os.File
}

// NewBallast makes an empty one in dir.
func NewBallast(t testing.TB, dir string) *Ballast {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return &Ballast{t, f}
}

// Add writes a MiB; false means that the disk is full.
func (b *Ballast) Add() bool {
	b.t.Helper()
	if _, err := b.file.Seek(0, io.SeekEnd); err != nil {
		b.t.Fatal(err)
	}
	_, err := b.file.Write(make([]byte, 1<<20))
	if err != nil && !errors.Is(err, unix.ENOSPC) {
		b.t.Fatal(err)
	}
	return err == nil
}

// Fill takes what is left.
func (b *Ballast) Fill() {
	b.t.Helper()
	for b.Add() {
	}
}

// Leave sees to it that so many MiB are free.
func (b *Ballast) Leave(mib int) {
	b.t.Helper()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(b.file.Fd()), &st); err != nil {
		b.t.Fatal(err)
	}
	info, err := b.file.Stat()
	if err != nil {
		b.t.Fatal(err)
	}
	if lack := int64(mib)<<20 - int64(st.Bavail)*st.Bsize; lack > 0 {
		if err := b.file.Truncate(max(0, info.Size()-lack)); err != nil {
			b.t.Fatal(err)
		}
	}
}

// Drop gives everything back.
func (b *Ballast) Drop() {
	b.t.Helper()
	if err := b.file.Truncate(0); err != nil {
		b.t.Fatal(err)
	}
}

// Grow gives the filesystem of Small another size.
func Grow(t testing.TB, dir string, mib int) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size="+strconv.Itoa(mib)+"m"); err != nil {
		t.Fatal(err)
	}
}
