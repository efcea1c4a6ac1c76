package kit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is a program that is started, killed, frozen and started again. What
// it says is kept in its folder, in the file "log".
type Process struct {
	Dir  string
	path string
	args []string
	cmd  *exec.Cmd
	end  chan error
}

// start starts the process anew.
func (p *Process) start() error {
	p.cmd = exec.Command(p.path, p.args...)
	if err := quietly(p.cmd, filepath.Join(p.Dir, "log")); err != nil {
		return err
	}
	p.end = make(chan error, 1)
	go func(c *exec.Cmd, end chan error) { end <- c.Wait() }(p.cmd, p.end)
	return nil
}

// await asks again and again whether the process does its work, until it does,
// ends, or three minutes have gone.
func (p *Process) await(ctx context.Context, works func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !works(ctx) {
		select {
		case err := <-p.end:
			p.end <- err
			said, _ := os.ReadFile(filepath.Join(p.Dir, "log"))
			return fmt.Errorf("the process in %s ended: %w\n%s", p.Dir, err, said)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), p.Kill())
		case <-tick.C:
		}
	}
	return nil
}

// PID is the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process as a crash would.
func (p *Process) Kill() error { return p.signal(syscall.SIGKILL) }

// Stop ends the process as an operator would.
func (p *Process) Stop() error { return p.signal(syscall.SIGTERM) }

// Freeze stops the process where it stands; Thaw lets it go on.
func (p *Process) Freeze() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (p *Process) Thaw() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	err := <-p.end
	p.end <- err // Ending twice is no fault.
	var ended *exec.ExitError
	if s == syscall.SIGKILL && errors.As(err, &ended) {
		return nil
	}
	return err
}
