package disk

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"noroshi/fault"
)

// Space is how much room a filesystem has for those who are not root.
type Space struct {
	Path                       string // the first of the watched folders on it
	Total, Free                uint64 // bytes
	Inodes, InodesFree         uint64 // 0 where the filesystem has no fixed number
	FreePercent, InodesPercent float64
}

// Look asks the filesystem on which path lies.
func Look(path string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Space{Path: path}, fault.As(fault.Unavailable, "disk.look", err, "the filesystem of %s does not answer", path)
	}
	s := Space{Path: path, Total: st.Blocks * uint64(st.Bsize), Free: st.Bavail * uint64(st.Bsize), Inodes: st.Files, InodesFree: st.Ffree}
	s.FreePercent, s.InodesPercent = percent(s.Free, s.Total), percent(s.InodesFree, s.Inodes)
	return s, nil
}

// percent of nothing is everything: a filesystem without a number of inodes
// never runs out of them.
func percent(part, whole uint64) float64 {
	if whole == 0 {
		return 100
	}
	return 100 * float64(part) / float64(whole)
}

// lookAll asks each filesystem once on which the folders lie. One that is not
// made yet lies nowhere.
func lookAll(paths []string) ([]Space, error) {
	var out []Space
	seen := map[uint64]bool{}
	for _, p := range paths {
		var st unix.Stat_t
		err := unix.Stat(p, &st)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return out, fault.As(fault.Unavailable, "disk.look", err, "the folder %s cannot be looked at", p)
		}
		if seen[uint64(st.Dev)] {
			continue
		}
		seen[uint64(st.Dev)] = true
		s, err := Look(p)
		if err != nil {
			return out, err
		}
		out = append(out, s)
	}
	return out, nil
}

// reserve is a file that holds room which nothing else can take, until it is
// given up for what must still be written.
type reserve struct {
	path string
	size int64
}

func (r reserve) held() bool {
	st, err := os.Stat(r.path)
	return err == nil && st.Size() == r.size
}

// take makes the file with real blocks behind it: a sparse one would hold
// nothing.
func (r reserve) take() error {
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, r.size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = fill(f, r.size)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, r.give())
	}
	return nil
}

func fill(f *os.File, size int64) error {
	block := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(block)) {
		if _, err := f.WriteAt(block[:min(int64(len(block)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

func (r reserve) give() error {
	err := os.Remove(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
