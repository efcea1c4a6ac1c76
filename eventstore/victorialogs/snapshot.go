package victorialogs

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"noroshi/fault"
)

// copyDir stands beside the engine's own folders and holds the links of a copy
// that is under way.
const copyDir = "copy"

// Snapshot returns a folder with the store's files as they are now, everything
// appended included, as links to what the engine never changes again. Release
// drops it; one that a crash left is dropped by the next.
func (s *Store) Snapshot(ctx context.Context) (dir string, release func() error, err error) {
	const op = "victorialogs.snapshot"
	if err := s.Sync(ctx); err != nil {
		return "", nil, err
	}
	leave, err := s.enter()
	if err != nil {
		return "", nil, err
	}
	defer leave()
	dir = filepath.Join(s.cfg.Dir, copyDir)
	release = func() error { return fault.Wrap(op, os.RemoveAll(dir)) }
	if err := release(); err != nil {
		return "", nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", nil, fault.As(fault.Conflict, op, err, "another copy of the events is under way")
	}
	for _, path := range s.storage.PartitionSnapshotMustCreate("") {
		day := filepath.Base(filepath.Dir(filepath.Dir(path)))
		// The engine drops its snapshots after an hour; a copy may take longer.
		err := link(path, filepath.Join(dir, "partitions", day))
		if derr := s.storage.PartitionSnapshotDelete(path); derr != nil {
			s.log.Warn("a snapshot is left until the engine removes it in an hour", "path", path, "err", derr)
		}
		if err != nil {
			return "", nil, fault.As(fault.Internal, op, err, "the events cannot be linked: %v", err)
		}
	}
	return dir, release, nil
}

func link(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, below), 0o700)
		}
		return os.Link(path, filepath.Join(to, below))
	})
}
