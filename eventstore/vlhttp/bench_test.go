package vlhttp_test

import (
	"testing"
	"time"

	"noroshi/bench/kit"
	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/vlhttp"
)

func BenchmarkStore(b *testing.B) {
	storetest.Benchmarks(b, func(b *testing.B) (eventstore.Store, func() time.Duration) {
		server := start(b)
		s := open(b, vlhttp.Config{Insert: server.URL()})
		return s, func() time.Duration {
			d, err := kit.CPU(server.PID())
			if err != nil {
				b.Fatal(err)
			}
			return d
		}
	})
}
