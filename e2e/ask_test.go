package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/bench/kit"
)

// ports sets variables to addresses on this machine that are free:
// ports NAME…
func ports(ts *testscript.TestScript, _ bool, names []string) {
	addrs, err := kit.Ports(len(names))
	ts.Check(err)
	for i, n := range names {
		ts.Setenv(n, addrs[i])
	}
}

// told waits until an operation of a hub's API says a text, or with ! until it
// does not: told FOLDER PATH TEXT
func told(ts *testscript.TestScript, neg bool, args []string) {
	wait(ts, func() (string, bool) {
		var out json.RawMessage
		if err := operator.Dial(app.Socket(ts.MkAbs(args[0]))).Get(context.Background(), args[1], &out); err != nil {
			return err.Error(), false
		}
		return string(out), strings.Contains(string(out), args[2]) != neg
	})
}

// query waits until a resolver says that a name is blocked, or with ! that it is
// not: query ADDRESS NAME
func query(ts *testscript.TestScript, neg bool, args []string) {
	wait(ts, func() (string, bool) {
		m := new(dns.Msg)
		m.SetQuestion(dns.Fqdn(args[1]), dns.TypeA)
		m.SetEdns0(1232, false)
		r, _, err := (&dns.Client{Timeout: time.Second}).Exchange(m, args[0])
		if err != nil {
			return err.Error(), false
		}
		blocked := r.IsEdns0() != nil && strings.Contains(r.IsEdns0().String(), "EDE: 15")
		return r.String(), blocked != neg
	})
}

// wait asks until the answer is the right one.
func wait(ts *testscript.TestScript, ask func() (said string, right bool)) {
	deadline := time.Now().Add(3 * time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		said, right := ask()
		if right {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("it never came to pass; the last answer was:\n%s", said)
		}
		<-tick.C
	}
}

// pick sets a variable to a text field of the JSON that the last command wrote,
// or to its last word: pick VARIABLE [FIELD]
func pick(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 1 {
		words := strings.Fields(ts.ReadFile("stdout"))
		ts.Setenv(args[0], words[len(words)-1])
		return
	}
	var v map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	ts.Setenv(args[0], fmt.Sprint(v[args[1]]))
}
