package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// runner keeps what runs in the background and the named clean-ups, last in
// first out.
type runner struct {
	cleanups []cleanup
	failed   chan error
}

func newRunner() runner { return runner{failed: make(chan error, 1)} }

type cleanup struct {
	name string
	fn   func() error
}

// stopBound is how long a clean stop may take, for each part.
const stopBound = 10 * time.Second

func (r *runner) cleanup(name string, fn func() error) {
	r.cleanups = append(r.cleanups, cleanup{name, fn})
}

func (r *runner) fail(name string, err error) {
	if err == nil {
		return
	}
	select {
	case r.failed <- fmt.Errorf("%s: %w", name, err):
	default: // One reason to stop is enough.
	}
}

// background runs fn until the stop, which waits for it.
func (r *runner) background(name string, fn func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := fn(ctx)
		if ctx.Err() == nil {
			r.fail(name, err)
		}
		done <- err
	}()
	r.cleanup(name, func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(stopBound):
			return errors.New("did not stop in time")
		}
	})
}

// serve runs an HTTP server until the stop.
func (r *runner) serve(name string, s *http.Server, fn func() error) {
	go func() {
		if err := fn(); !errors.Is(err, http.ErrServerClosed) {
			r.fail(name, err)
		}
	}()
	r.cleanup(name, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		if s.Shutdown(ctx) != nil {
			return s.Close() // Live streams do not end by themselves.
		}
		return nil
	})
}

// stop runs the clean-ups in reverse order.
func (r *runner) stop() error {
	var errs []error
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		if err := r.cleanups[i].fn(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.cleanups[i].name, err))
		}
	}
	r.cleanups = nil
	return errors.Join(errs...)
}

// together stops several things at once, such as the nodes of one process.
func together(list []func() error) error {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, fn := range list {
		wg.Go(func() { errs[i] = fn() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
