package e2e

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"noroshi/bus"
	"noroshi/event"
)

// zip makes a frame as a bomb-maker does: without the limits of our encoder.
func zip(t testing.TB, raw []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	must(t, err)
	return w.EncodeAll(raw, nil)
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestHostileBatches sends what a node that was taken over may send. Each batch
// is put into quarantine with its reason and counted; good batches of the same
// node and of another organisation pass right after it.
func TestHostileBatches(t *testing.T) {
	p := start(t, "")
	bad, good := p.eye("a"), p.eye("b")
	with := func(name string, change func(*event.Event)) func() []byte {
		return func() []byte { return zip(t, bad.lookup(name, change)) }
	}
	line := func(text string, args ...any) func() []byte {
		return func() []byte { return zip(t, fmt.Appendf(nil, text, args...)) }
	}
	lying := "lying.noroshi.example"
	for _, x := range []struct {
		what, reason string
		frame        func() []byte
	}{
		{"noise", "not a zstd frame", func() []byte { return noise(20_000) }},
		{"half a frame", "not a zstd frame", func() []byte { b := zip(t, bad.lookup(lying)); return b[:len(b)/2] }},
		{"a bomb", "larger than", func() []byte { return zip(t, make([]byte, 64<<20)) }},
		{"a frame that claims 2 GiB", "batch", func() []byte { return []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x80, 1, 0, 0} }},
		{"a million lines", "more than 500 lines", func() []byte { return zip(t, bytes.Repeat([]byte("{}\n"), 1_000_000)) }},
		{"no JSON", "not JSON", line("so it goes")},
		{"deep nesting", "nested deeper", line(`{"a":%s`, strings.Repeat("[", 50_000))},
		{"a huge line", "at most 65536", line(`{"a":"%s"}`, strings.Repeat("x", 1<<20))},
		{"a name that stands twice", "there twice", line(`{"class_uid":4003,"class_uid":4003}`)},
		{"bytes that are no text", "not UTF-8", line(`{"message":"%s"}`, "\xff\xfe")},
		{"another's organisation", "belongs to", with(lying, func(e *event.Event) { e.Metadata.Tenant = good.id.Org })},
		{"another's node", "sent it", with(lying, func(e *event.Event) { e.Metadata.Reporter.UID = good.id.Node })},
		{"another's uid", "its node and its sequence", with(lying, func(e *event.Event) { e.Metadata.UID = uid(good.id.Node, e.Metadata.Sequence) })},
		{"another sequence than its uid's", "its node and its sequence", with(lying, func(e *event.Event) { e.Metadata.Sequence++ })},
		{"a sequence without end", "larger than any record", with(lying, func(e *event.Event) {
			e.Metadata.Sequence, e.Metadata.UID = math.MaxUint64, uid(bad.id.Node, math.MaxUint64)
		})},
		{"the same event twice", "there twice, or out of order", func() []byte {
			b := bad.lookup("twice.noroshi.example")
			return zip(t, fmt.Appendf(nil, "%s\n%s\n", b, b))
		}},
		{"a clock ahead", "ahead of the hub", with(lying, func(e *event.Event) { e.Time += time.Hour.Milliseconds() })},
		{"a clock behind", "days old", with(lying, func(e *event.Event) { e.Time -= 90 * 24 * time.Hour.Milliseconds() })},
		{"a name of ten thousand labels", "a name of", with(strings.Repeat("a.", 10_000), func(*event.Event) {})},
		{"a name of a million labels", "at most 65536", line(`{"query":{"hostname":"%s"}}`, strings.Repeat("a.", 1_000_000))},
	} {
		_, before := p.quarantine()
		bad.sendFrame(x.frame())
		p.counted(bad, before, x.reason)
		p.goOn(x.what, bad, good)
	}
	p.nothingSuffers()
	if seen := p.seen(lying); len(seen) > 0 {
		t.Errorf("what was refused is shown: %v", seen)
	}
	if n := len(p.seen("twice.noroshi.example")); n != 1 {
		t.Errorf("an event that stood twice in a batch is shown %d times", n)
	}
}

// TestABatchThatIsSentAgainIsShownOnce replays old batches as a thief would: under
// another id, after newer ones, and after the hub was killed.
func TestABatchThatIsSentAgainIsShownOnce(t *testing.T) {
	p := start(t, "")
	bad, good := p.eye("a"), p.eye("b")
	const name = "replayed.noroshi.example"
	old, err := bus.EncodeBatch([][]byte{bad.lookup(name), bad.lookup(name)})
	must(t, err)
	bad.sendFrame(old)
	p.goOn("the first time", bad, good)
	p.nothingSuffers()
	bad.sendFrame(old)
	p.goOn("a replay", bad, good)
	must(t, p.Kill())
	must(t, p.Hub.Start(t.Context()))
	waitFor(t, "both are there again", func() bool { return bad.line.Connected() && good.line.Connected() })
	bad.sendFrame(old)
	p.goOn("a replay after a crash", bad, good)
	p.nothingSuffers()
	if seen := p.seen(name); len(seen) != 2 || seen[0] == seen[1] {
		t.Errorf("two events, sent three times, are shown as %v", seen)
	}
}

// TestHostileMessagesBesideTheEvents sends what is no acknowledgement, no report
// and no question, and more than the bus carries.
func TestHostileMessagesBesideTheEvents(t *testing.T) {
	p := start(t, "")
	bad, good := p.eye("a"), p.eye("b")
	nc := bad.raw()
	subject := func(verb string) string { return fmt.Sprintf("%s.%s.%s", verb, bad.id.Org, bad.id.Node) }
	for _, verb := range []string{"ack", "status"} {
		for _, junk := range [][]byte{noise(1000), []byte(strings.Repeat("[", 100_000)), []byte(`{"feed":"` + strings.Repeat("x", 200_000) + `"}`), {}} {
			_, before := p.quarantine()
			must(t, nc.Publish(subject(verb), junk))
			p.counted(bad, before, "")
		}
		p.goOn(verb+" junk", bad, good)
	}
	for _, junk := range [][]byte{noise(1000), []byte(`{"feed":"real.` + string(good.id.Org) + `"}`), []byte(strings.Repeat("[", 100_000)), {}} {
		m, err := nc.Request(subject("sync"), junk, time.Minute)
		must(t, err)
		if says := m.Header.Get("Noroshi-Error"); says == "" {
			t.Errorf("the question %.40q was answered with %.80q", junk, m.Data)
		}
	}
	p.goOn("sync junk", bad, good)
	if err := bad.line.Publish(t.Context(), "too large", noise(bus.MaxBatchBytes+8192)); err == nil {
		t.Error("a batch larger than the bus carries was taken")
	}
	p.goOn("a batch that is too large", bad, good)
	p.nothingSuffers()
}
