package systems

import (
	"context"
	"crypto/tls"
)

// Match hands in what changed.
func (x *Systems) Match(ctx context.Context) error { return x.match(ctx, changes) }

// MatchAll is the look at the start of a hub, or that of every day.
func (x *Systems) MatchAll(ctx context.Context, again bool) error {
	return x.match(ctx, map[bool]look{false: start, true: everything}[again])
}

// Sweep looks at a folder once.
func (x *Systems) Sweep(ctx context.Context, folder string) {
	x.sweep(ctx, folder, map[string]string{})
}

// Download gets a file.
func Download(ctx context.Context, address string, trust *tls.Config) ([]byte, error) {
	return download(ctx, address, trust)
}
