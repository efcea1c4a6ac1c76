package status_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"noroshi/status"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func line(at time.Time, store status.State) status.Status {
	return status.Status{AsOf: at, Hub: "hub-secret", Whole: true,
		Hops: []status.Hop{{Name: status.Judge, Waiting: status.Count(7), PerSecond: status.MS(time.Second), Bytes: status.Count(99), OldestMS: status.MS(time.Second), Rows: "/search"},
			{Name: status.Store, State: store, Why: status.Say("secret why", "秘密の理由"), Do: status.Say("secret do", "秘密の対処")}},
		Parts: []status.Part{{Kind: status.KindNode, Name: "secret node", State: status.Stuck}, {Kind: status.KindDisk, Name: "/secret"}}}
}

func TestBoardSaysTheWorstAndSinceWhen(t *testing.T) {
	b := status.NewBoard()
	if st := b.Post(line(noon, status.Fine)); st.State != status.Fine || st.Why.EN == "" || st.Why.JA == "" {
		t.Errorf("a node is no reason for a verdict: %+v", st.State)
	}
	b.Post(line(noon.Add(time.Minute), status.Slow))
	st := b.Post(line(noon.Add(2*time.Minute), status.Slow))
	if st.State != status.Slow || st.Why.EN != "secret why" || !st.Since.Equal(noon.Add(time.Minute)) || !st.Hops[1].Since.Equal(noon.Add(time.Minute)) || !st.Hops[0].Since.Equal(noon) {
		t.Errorf("%+v", st)
	}
	disk := line(noon.Add(3*time.Minute), status.Stuck)
	disk.Parts[1].State, disk.Parts[1].Why = status.Stuck, status.Say("full", "満杯")
	if st := b.Post(disk); st.State != status.Stuck || st.Why.EN != "full" || st.Err() == nil {
		t.Errorf("a full disk explains a stuck hop: %q", st.Why.EN)
	}
	if st := b.Post(line(noon.Add(4*time.Minute), status.Fine)); st.State != status.Fine || st.Err() != nil || !st.Since.Equal(noon.Add(4*time.Minute)) {
		t.Errorf("it is well again: %+v", st)
	}
}

// TestPartialReaderSeesNoAmounts: what is not theirs shows neither in numbers
// nor in words.
func TestPartialReaderSeesNoAmounts(t *testing.T) {
	st := status.NewBoard().Post(line(noon, status.Stuck)).ForPart()
	b, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "secret") || strings.Contains(string(b), "秘密") {
		t.Errorf("a part of the whole is told: %s", b)
	}
	for _, h := range st.Hops {
		if h.Waiting != nil || h.Bytes != nil || h.PerSecond != nil || h.Rows != "" {
			t.Errorf("the amounts of %s are told", h.Name)
		}
	}
	if st.Hops[1].State != status.Stuck || st.Hops[0].OldestMS == nil || st.Hops[1].Why.JA == "" {
		t.Error("the state and the age of a hop are theirs to know")
	}
}

func TestShareOfMany(t *testing.T) {
	for _, c := range []struct {
		behind, all int
		want        status.State
	}{{0, 0, status.Fine}, {0, 10, status.Fine}, {1, 1, status.Slow}, {1, 1000, status.Fine}, {50, 1000, status.Slow}, {1, 3, status.Slow}, {1, 2, status.Stuck}, {600, 1000, status.Stuck}} {
		if got := status.Share(c.behind, c.all); got != c.want {
			t.Errorf("%d of %d behind is %s, not %s", c.behind, c.all, got, c.want)
		}
	}
}

func TestStateIsAWord(t *testing.T) {
	for _, s := range []status.State{status.Fine, status.Slow, status.Stuck} {
		b, err := json.Marshal(s)
		var back status.State
		if err != nil || json.Unmarshal(b, &back) != nil || back != s {
			t.Errorf("%s becomes %s becomes %s", s, b, back)
		}
	}
	var s status.State
	if json.Unmarshal([]byte(`"good"`), &s) == nil {
		t.Error("any word is a state")
	}
}
