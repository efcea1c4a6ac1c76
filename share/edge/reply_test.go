package edge

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"noroshi/fault"
	"noroshi/share/set"
)

// oracle answers every question with the same bytes, a few times.
type oracle struct {
	Line
	reply []byte
	left  int
}

func (o *oracle) Sync(context.Context, []byte) ([]byte, error) {
	if o.left--; o.left < 0 {
		return nil, fault.New(fault.Unavailable, "test", "enough")
	}
	return o.reply, nil
}

func (o *oracle) Ack(context.Context, []byte) error { return nil }

// FuzzReply lets the hub answer anything: as bytes of a reply, and as the content
// of a frame that it signed. What the edge enforces then has the digest that it
// says.
func FuzzReply(f *testing.F) {
	pub, key, _ := ed25519.GenerateKey(nil)
	good, err := json.Marshal(frameOf(newState(), wire1()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, true)
	f.Add([]byte(`{"feed":"real.all","seq":3,"snapshot":true,"head":3,"digest":"x","changes":[]}`), true)
	f.Add([]byte(`{"feed":"real.all","seq":3,"snapshot":true,"more":true,"head":9}`), false)
	f.Add([]byte(`{"feed":"real.all","from":0,"seq":18446744073709551615,"changes":[{"op":"put","id":"ind_1","indicator":{"id":"ind_1"}}]}`), false)
	f.Add([]byte(`{"frames":["AA=="],"more":true}`), false)
	w, err := zstd.NewWriter(nil) // A frame is one zstd frame behind its signature.
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte, more bool) {
		packed := w.EncodeAll(content, nil)
		framed, err := json.Marshal(set.Reply{Frames: [][]byte{append(ed25519.Sign(key, packed), packed...)}, More: more})
		if err != nil {
			t.Fatal(err)
		}
		for _, reply := range [][]byte{content, framed} {
			fo, err := New(Config{Dir: dir, Feeds: []string{"real.all"}, Key: pub}, Deps{Line: &oracle{reply: reply, left: 4}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			x := fo.feeds["real.all"]
			x.state = newState()
			_ = fo.sync(t.Context(), x) // Whether it is believed or not.
			again := newState()
			for id, w := range x.state.Members {
				again.change(set.Change{Op: "put", ID: id, Indicator: &w})
			}
			if again.Digest() != x.state.Digest() {
				t.Error("the members do not have the set's digest")
			}
		}
	})
}
