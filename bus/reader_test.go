package bus

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestAPullMissesItsLastMessage lets a message be delivered that never comes.
func TestAPullMissesItsLastMessage(t *testing.T) {
	h := alone(t)
	p, err := h.pull(t.Context(), bundleStream, bundleSubject(0), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if err := p.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !p.whole(t.Context()) {
		t.Error("something is missing where there was nothing")
	}
	if _, err := h.js.Publish(t.Context(), bundleSubject(0), appendBundle(nil, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.from.Next(jetstream.FetchContext(t.Context())); err != nil { // It goes astray.
		t.Fatal(err)
	}
	if p.whole(t.Context()) {
		t.Error("the loss is not seen")
	}
	p.from = nil
	if _, err := p.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !p.whole(t.Context()) {
		t.Error("something is missing after everything came")
	}
}
