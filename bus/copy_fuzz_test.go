package bus

import (
	"bytes"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"noroshi/fault"
)

// FuzzStreamCopy reads what a backup may say that a stream was.
func FuzzStreamCopy(f *testing.F) {
	f.Add([]byte(`{"config":{"name":"A","subjects":["a"],"mirror":{"name":"OBS"},"republish":{"dest":"feed.x"}},"first":3}` + "\n" + `{"seq":3,"subject":"a","data":"AA=="}` + "\n" + `{"seq":9,"subject":"a","header":{"Nats-Msg-Id":["x"]},"data":""}` + "\n"))
	f.Add([]byte(`{"config":{"name":"A"},"first":18446744073709551615}` + "\n" + `{"seq":18446744073709551615}` + "\n" + `{"seq":0}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var last uint64
		began := false
		err := readCopy(bytes.NewReader(b), "A", func(cfg jetstream.StreamConfig) error {
			began = true
			last = cfg.FirstSeq - 1
			if cfg.Name != "A" || cfg.Mirror != nil || cfg.Sources != nil || cfg.RePublish != nil || cfg.SubjectTransform != nil || cfg.FirstSeq == 0 {
				t.Errorf("the stream would be %+v", cfg)
			}
			return nil
		}, func(hole int, m messageCopy) error {
			if hole < 0 || hole > maxHole || m.Seq <= last || m.Seq != last+uint64(hole)+1 {
				t.Errorf("message %d after %d with a hole of %d", m.Seq, last, hole)
			}
			last = m.Seq
			return nil
		})
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
		if err == nil && !began {
			t.Error("a copy without a stream was taken")
		}
	})
}
