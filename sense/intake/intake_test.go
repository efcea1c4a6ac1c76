package intake_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"noroshi/bus"
	"noroshi/event"
	"noroshi/sense/intake"
)

var from = bus.Node{Org: "org_a", ID: "nod_a"}

func lookup(change func(*event.Event)) []byte {
	e := &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, Time: time.Now().UnixMilli(), Query: &event.DNSQueryInfo{Hostname: "x.test"},
		Metadata: event.Metadata{UID: "nod_a.1", Sequence: 1, Tenant: "org_a", Reporter: event.Reporter{UID: "nod_a"}}}
	e.Finish()
	if change != nil {
		change(e)
	}
	b, _ := event.AppendJSON(nil, e)
	return b
}

func numbered(seq uint64) []byte {
	return lookup(func(e *event.Event) {
		e.Metadata.Sequence, e.Metadata.UID = seq, "nod_a."+strconv.FormatUint(seq, 36)
	})
}

func TestLiesGoToQuarantineAndTheRestGoesOn(t *testing.T) {
	frame, err := bus.EncodeBatch([][]byte{
		lookup(nil),
		[]byte(`{"class_uid":4003,"surprise":1}`),
		[]byte(`not json`),
		lookup(func(e *event.Event) { e.Metadata.Tenant = "org_b" }),
		lookup(func(e *event.Event) { e.Metadata.Reporter.UID = "nod_b" }),
		lookup(func(e *event.Event) { e.Metadata.UID = "nod_b.1" }),
		lookup(func(e *event.Event) { e.Time = time.Now().Add(time.Hour).UnixMilli() }),
		lookup(func(e *event.Event) { e.Time = time.Now().AddDate(0, -2, 0).UnixMilli() }),
		lookup(func(e *event.Event) { e.TypeUID = 7 }),
		lookup(func(e *event.Event) { e.Metadata.Sequence = 2 }),
		lookup(nil),
		lookup(func(e *event.Event) { e.Query.Hostname = strings.Repeat("a.", 15_000) }),
		numbered(2),
		numbered(1 << 63),
	})
	if err != nil {
		t.Fatal(err)
	}
	good, bad := intake.Check(from, frame, time.Now())
	if len(good) != 2 || len(bad) != 12 {
		t.Fatalf("%d were believed and %d refused: %+v", len(good), len(bad), bad)
	}
	all := ""
	for _, b := range bad {
		if b.Place == "" || b.Reason == "" || len(b.Sample) == 0 {
			t.Errorf("a refusal says too little: %+v", b)
		}
		all += b.Place + ": " + b.Reason + "\n"
	}
	for _, says := range []string{"line 2", "surprise", "line 3", "org_b", "nod_b", "ahead", "days old", "type_uid",
		"not made of its node and its sequence", "there twice", "query.hostname", "9223372036854775808"} {
		if !strings.Contains(all, says) {
			t.Errorf("no refusal says %q:\n%s", says, all)
		}
	}
	if _, bad := intake.Check(from, []byte("garbage"), time.Now()); len(bad) != 1 || bad[0].Place != "batch" {
		t.Errorf("garbage: %+v", bad)
	}
}

func FuzzCheck(f *testing.F) {
	frame, _ := bus.EncodeBatch([][]byte{lookup(nil)})
	f.Add(frame)
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(t *testing.T, b []byte) {
		good, _ := intake.Check(from, b, time.Now())
		for _, e := range good {
			if e.Metadata.Tenant != from.Org || e.Metadata.Reporter.UID != from.ID || e.Validate() != nil {
				t.Errorf("believed: %+v", e)
			}
		}
	})
}
