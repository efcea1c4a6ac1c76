package spool

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// disk is a hub in a file: it acknowledges what it has written. What a kill left
// half-written at its end was not acknowledged.
type disk struct{ f *os.File }

func (d disk) Publish(_ context.Context, id string, batch []byte) error {
	b := binary.BigEndian.AppendUint32([]byte(id), uint32(len(batch)))
	_, err := d.f.Write(append(b, batch...))
	return err
}

func openDisk(dir string) (disk, error) {
	path := filepath.Join(dir, "hub")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return disk{}, err
	}
	_, whole, err := readDisk(f)
	if err == nil {
		err = f.Truncate(whole)
	}
	if err == nil {
		_, err = f.Seek(whole, io.SeekStart)
	}
	return disk{f}, err
}

type sent struct {
	id   string
	seqs []uint64
}

func readDisk(f *os.File) (all []sent, whole int64, err error) {
	b, err := os.ReadFile(f.Name())
	if err != nil {
		return nil, 0, err
	}
	for len(b) >= 36 {
		n := int(binary.BigEndian.Uint32(b[32:]))
		if len(b) < 36+n {
			break
		}
		all = append(all, sent{string(b[:32]), sequences(b[36 : 36+n])})
		b, whole = b[36+n:], whole+int64(36+n)
	}
	return all, whole, nil
}

func childConfig(dir string) Config {
	return Config{Dir: filepath.Join(dir, "spool"), Org: "org_a", Node: "nod_a", MaxBytes: 4 << 20, BatchEvents: 20, Linger: time.Millisecond}
}

// TestMain is also the process that is killed: it emits without end and says
// each sequence once its Emit returned.
func TestMain(m *testing.M) {
	dir := os.Getenv("SPOOL_CHILD")
	if dir == "" {
		os.Exit(m.Run())
	}
	d, err := openDisk(dir)
	if err != nil {
		panic(err)
	}
	s, err := Open(childConfig(dir), Deps{Publisher: d, Encode: join, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		panic(err)
	}
	go s.Run(context.Background())
	for {
		e := lookup("a.example")
		if err := s.Emit(e); err == nil {
			fmt.Println(e.Metadata.Sequence)
		}
	}
}

func TestKilledProcessLosesNothingItPromised(t *testing.T) {
	dir := t.TempDir()
	var promised []uint64
	for round := range 8 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), "SPOOL_CHILD="+dir), os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, n := bufio.NewScanner(out), 0
		for lines.Scan() {
			seq, err := strconv.ParseUint(lines.Text(), 10, 64)
			if err != nil {
				break // The kill cut the line; its Emit is not counted.
			}
			promised = append(promised, seq)
			if n++; n == 100+137*round {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		if n < 100 {
			t.Fatalf("round %d ended after %d events by itself", round, n)
		}
	}
	d, err := openDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(childConfig(dir), Deps{Publisher: d, Encode: join, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	(&rig{T: t}).run(s)
	until(t, "the spool is empty", func() bool { return s.Stats().SpooledEvents == 0 })
	if q := s.Stats().Quarantined; q != 0 {
		t.Errorf("%d segments are spoiled; a kill only tears tails", q)
	}
	checkPromised(t, d, promised)
}

// checkPromised checks that the hub has every promised event, in order, and
// anything twice only as a whole batch under the same id.
func checkPromised(t *testing.T, d disk, promised []uint64) {
	t.Helper()
	batches, _, err := readDisk(d.f)
	if err != nil {
		t.Fatal(err)
	}
	ids, have, last, repeated := map[string]bool{}, map[uint64]bool{}, uint64(0), 0
	for _, b := range batches {
		if ids[b.id] {
			repeated++
			continue
		}
		ids[b.id] = true
		for _, seq := range b.seqs {
			if seq <= last {
				t.Fatalf("sequence %d arrived after %d, in another batch", seq, last)
			}
			last, have[seq] = seq, true
		}
	}
	for _, seq := range promised {
		if !have[seq] {
			t.Errorf("the promised event %d was lost", seq)
		}
	}
	t.Logf("%d promised, %d arrived in %d batches, %d batches repeated", len(promised), len(have), len(ids), repeated)
}
