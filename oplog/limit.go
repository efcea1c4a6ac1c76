package oplog

import (
	"sync"
	"time"
)

// How often one place in the program may say something about one organisation:
// a burst, then one line in a while.
const (
	burst   = 20
	every   = 10 * time.Second
	maxKeys = 4096
)

// key is a place in the program and whom it speaks of.
type key struct {
	pc  uintptr
	org string
}

// limit is a token bucket for each key.
type limit struct {
	mu    sync.Mutex
	all   map[key]*bucket
	swept time.Time // when the silent ones were forgotten last: seldom, for it looks at all
}

type bucket struct {
	tokens float64
	at     time.Time
	held   uint64
}

func newLimit() *limit { return &limit{all: map[key]*bucket{}} }

// take tells whether a line may be written at a time, and how many were held
// back since the last one that was.
func (l *limit) take(k key, now time.Time) (pass bool, held uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(k, now)
	b.tokens = min(burst, b.tokens+max(0, now.Sub(b.at).Seconds())/every.Seconds())
	b.at = now
	if b.tokens < 1 {
		b.held++
		return false, 0
	}
	b.tokens--
	held, b.held = b.held, 0
	return true, held
}

// bucket finds the key's. When there are too many keys, those that were silent
// long enough to be full again are forgotten; if none was, all organisations of
// a place share one.
func (l *limit) bucket(k key, now time.Time) *bucket {
	if b, ok := l.all[k]; ok {
		return b
	}
	if len(l.all) >= maxKeys && now.Sub(l.swept) >= every {
		l.swept = now
		for x, b := range l.all {
			if now.Sub(b.at) > burst*every && b.held == 0 {
				delete(l.all, x)
			}
		}
	}
	if len(l.all) >= maxKeys {
		k.org = ""
		if b, ok := l.all[k]; ok {
			return b
		}
	}
	b := &bucket{tokens: burst, at: now}
	l.all[k] = b // Places in the program are few, so this stays bounded.
	return b
}
