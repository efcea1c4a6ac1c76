package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"noroshi/identity/join"
)

// eye is an eye's process as the storm sees it, with every promise it was given.
type eye struct {
	dir      string
	rate     int
	id       *join.Credentials
	cmd      *exec.Cmd
	in       io.Closer
	read     sync.WaitGroup
	mu       sync.Mutex
	promised []uint64
}

func newEye(ctx context.Context, dir, token string, rate int) (*eye, error) {
	id, err := join.Join(ctx, token, filepath.Base(dir), filepath.Join(dir, "identity"))
	if err != nil {
		return nil, err
	}
	e := &eye{dir: dir, rate: rate, id: id}
	return e, e.start()
}

func (e *eye) start() error {
	e.cmd = exec.Command(os.Args[0], eyeCommand, "--dir", e.dir, "--rate", strconv.Itoa(e.rate))
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // The process has its own handle.
	e.cmd.Stderr = log
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if e.in, err = e.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := e.cmd.Start(); err != nil {
		return err
	}
	e.read.Go(func() { e.listen(out) })
	return nil
}

// listen takes the promises. A line that has no end was cut by the kill and
// promises nothing.
func (e *eye) listen(out io.Reader) {
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if seq, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64); err == nil {
			e.mu.Lock()
			e.promised = append(e.promised, seq)
			e.mu.Unlock()
		}
	}
}

// kill ends the process as a crash would, and hears its last promises.
func (e *eye) kill() error {
	if err := e.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	e.read.Wait()
	_ = e.cmd.Wait() // It was killed.
	return nil
}

func (e *eye) freeze() error { return e.cmd.Process.Signal(syscall.SIGSTOP) }
func (e *eye) thaw() error   { return e.cmd.Process.Signal(syscall.SIGCONT) }

// finish lets the process empty its spool and end.
func (e *eye) finish(patience time.Duration) error {
	if err := e.in.Close(); err != nil {
		return err
	}
	late := time.AfterFunc(patience, func() { _ = e.cmd.Process.Kill() })
	defer late.Stop()
	e.read.Wait()
	if err := e.cmd.Wait(); err != nil {
		said, _ := os.ReadFile(filepath.Join(e.dir, "log"))
		return fmt.Errorf("the eye %s did not empty its spool within %s: %w\n%s", e.id.Node, patience, err, said)
	}
	return nil
}

// promises are the sequences in order.
func (e *eye) promises() []uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(slices.Values(e.promised))
}
