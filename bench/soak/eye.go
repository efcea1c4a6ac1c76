package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"noroshi/bus"
	"noroshi/event"
	"noroshi/identity/join"
	"noroshi/sense/spool"
)

// eyeCommand makes this program an eye: a node with the real spool and the real
// line to the hub, whose events are made up and numbered.
const eyeCommand = "eye"

// bait is a name that one of the project's rules knows; the finding must count
// it once each time.
const (
	bait      = "probe.oast.site"
	baitRule  = "dc5b1044-f516-477d-9766-26f3f7009691"
	baitEvery = 50
)

// runEye emits until its input ends, and says the number of each event as soon
// as the spool has promised it. Then it waits until the spool is empty.
func runEye(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	fs := flag.NewFlagSet(eyeCommand, flag.ContinueOnError)
	dir := fs.String("dir", "", "folder of the identity and the spool")
	rate := fs.Int("rate", 300, "events per second")
	if err := fs.Parse(args); err != nil {
		return err
	}
	id, err := join.Load(filepath.Join(*dir, "identity"))
	if err != nil {
		return err
	}
	line, err := bus.Dial(id.Bus, bus.Node{Org: id.Org, ID: id.Node, Name: id.Name}, id.TLS())
	if err != nil {
		return err
	}
	defer line.Close()
	s, err := spool.Open(spool.Config{Dir: filepath.Join(*dir, "spool"), Org: id.Org, Node: id.Node, Hostname: id.Name, Product: "soak", Version: "0"},
		spool.Deps{Publisher: line, Encode: bus.EncodeBatch, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Run(ctx) }() // It returns nil.
	defer func() { cancel(); <-ended; _ = s.Close() }()
	last := make(chan struct{})
	go func() { defer close(last); _, _ = io.Copy(io.Discard, in) }()
	if err := emit(ctx, s, *rate, last, out); err != nil {
		return err
	}
	return drained(ctx, s)
}

const beat = 10 * time.Millisecond

func emit(ctx context.Context, s *spool.Spool, rate int, last <-chan struct{}, out io.Writer) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for n, due := 0, 0.0; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-last:
			return nil
		case <-tick.C:
		}
		for due += float64(rate) * beat.Seconds(); due >= 1; due-- {
			n++
			name := "n" + strconv.Itoa(n) + ".noroshi.example"
			if n%baitEvery == 0 {
				name = bait
			}
			e := &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, Time: time.Now().UnixMilli(), Query: &event.DNSQueryInfo{Hostname: name}}
			if err := s.Emit(e); err != nil {
				continue // It was not promised.
			}
			// One write says the whole line or, after a kill, nothing.
			if _, err := fmt.Fprintf(out, "%d\n", e.Metadata.Sequence); err != nil {
				return err
			}
		}
	}
}

func drained(ctx context.Context, s *spool.Spool) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for s.Stats().SpooledEvents > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	if st := s.Stats(); st.Quarantined > 0 || st.Lost > 0 {
		return fmt.Errorf("the spool is spoiled: %d set aside, %d lost", st.Quarantined, st.Lost)
	}
	return nil
}
