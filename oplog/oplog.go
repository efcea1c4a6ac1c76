// Package oplog is the operator's log: log/slog with three habits. A line names
// who it is about under the same keys everywhere: role (hub, sensor, resolver;
// api and bus for parts of the hub), org and node or another id; what its logger
// knows is added to each line, and the line's own word wins. A line that repeats
// is held back and counted, for each organisation apart, so that whoever sends
// garbage fills neither the disk nor the eyes of whoever reads. And no value is
// longer than a few thousand characters.
//
// Cli makes the logger, app binds role, org and node to it, all parts write to it
// as to any slog.Logger. Errors are returned, not logged, below the place that can
// do nothing more with them.
package oplog

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"

	"noroshi/fault"
)

// The keys by which lines name who they are about.
const (
	Role = "role"
	Org  = "org"
	Node = "node"
)

// maxValue is how much of a text is written; hostile input is quoted in errors.
const maxValue = 4 << 10

// New makes a log that writes to w: level is debug, info, warn or error, format
// text or json.
func New(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fault.New(fault.Invalid, "oplog.new", "%q is not a level (debug, info, warn, error)", level).At("log.level")
	}
	opts := &slog.HandlerOptions{Level: l, ReplaceAttr: clip}
	h := &handler{limit: newLimit(), suppressed: new(atomic.Uint64)}
	switch format {
	case "json":
		h.next = slog.NewJSONHandler(w, opts)
	case "text":
		h.next = slog.NewTextHandler(w, opts)
	default:
		return nil, fault.New(fault.Invalid, "oplog.new", "%q is not a format (text, json)", format).At("log.format")
	}
	return slog.New(h), nil
}

// Suppressed tells how many lines a log of this package held back.
func Suppressed(log *slog.Logger) uint64 {
	if h, ok := log.Handler().(*handler); ok {
		return h.suppressed.Load()
	}
	return 0
}

func clip(_ []string, a slog.Attr) slog.Attr {
	s := ""
	switch v := a.Value.Any().(type) {
	case string:
		s = v
	case error:
		s = v.Error()
	}
	if len(s) <= maxValue {
		return a
	}
	return slog.String(a.Key, strings.ToValidUTF8(s[:maxValue], "")+"…")
}

// handler adds what is bound to a logger and holds repetitions back.
type handler struct {
	next       slog.Handler
	bound      []slog.Attr
	limit      *limit
	suppressed *atomic.Uint64
}

func (h *handler) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// WithAttrs keeps the attributes here, so that a line can say them otherwise.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.bound = merge(h.bound, attrs)
	return &c
}

// WithGroup puts what follows into a group; what was bound stays outside of it.
func (h *handler) WithGroup(name string) slog.Handler {
	c := *h
	c.next, c.bound = h.next.WithAttrs(h.bound).WithGroup(name), nil
	return &c
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	var own []slog.Attr
	r.Attrs(func(a slog.Attr) bool { own = append(own, a); return true })
	attrs := merge(h.bound, own)
	if r.Level >= slog.LevelWarn {
		pass, held := h.limit.take(key{r.PC, text(attrs, Org)}, r.Time)
		if !pass {
			h.suppressed.Add(1)
			return nil
		}
		if held > 0 {
			attrs = append(attrs, slog.Uint64("suppressed", held))
		}
	}
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	out.AddAttrs(attrs...)
	return h.next.Handle(ctx, out)
}

// merge puts attrs behind bound; one with the same key takes the other's place.
func merge(bound, attrs []slog.Attr) []slog.Attr {
	out := make([]slog.Attr, len(bound), len(bound)+len(attrs)+1)
	copy(out, bound)
next:
	for _, a := range attrs {
		for i := range bound {
			if out[i].Key == a.Key {
				out[i] = a
				continue next
			}
		}
		out = append(out, a)
	}
	return out
}

func text(attrs []slog.Attr, key string) string {
	for _, a := range attrs {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}
