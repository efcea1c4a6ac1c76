package infected

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"noroshi/action"
)

// Kind is what a device was seen to do.
type Kind string

// The kinds of verdicts.
const (
	MiraiLike Kind = "mirai-like" // it looks for victims with Mirai's own sign
	Scanning  Kind = "scanning"   // it looks for victims
)

// Verdict is what is known of one address on one day.
type Verdict struct {
	Address    netip.Addr `json:"address"`
	Day        string     `json:"day"` // in the zone of the watch
	Kind       Kind       `json:"kind"`
	Confidence int        `json:"confidence"`
	First      time.Time  `json:"first"`
	Last       time.Time  `json:"last"`
	Packets    int64      `json:"packets"`
	Marked     int64      `json:"marked"` // of them with Mirai's sign
	Darknet    int        `json:"darknet_addresses_at_least"`
	Flows      int        `json:"flow_addresses_at_least"`
	Ports      []uint16   `json:"ports"`
}

// Verdicts judges and forgets the days that are over for good; all says that
// nothing more will come. Of each address and day there is at most one.
func (w *Watch) Verdicts(all bool) (out []Verdict) {
	open := dayOf(w.Last.Add(-patience), w.cfg.Zone)
	for k, h := range w.hosts {
		if !all && k.day >= open {
			continue
		}
		delete(w.hosts, k)
		if v, ok := h.judge(k); ok {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b Verdict) int {
		if c := strings.Compare(a.Day, b.Day); c != 0 {
			return c
		}
		return a.Address.Compare(b.Address)
	})
	return out
}

func (h *host) judge(k key) (Verdict, bool) {
	v := Verdict{Address: k.addr, Day: time.Unix(k.day*86_400, 0).UTC().Format(time.DateOnly), First: h.first.UTC(), Last: h.last.UTC(), Packets: h.packets, Marked: h.marked,
		Darknet: h.darknet.atLeast(), Flows: h.flows.atLeast(), Ports: h.ports}
	slices.Sort(v.Ports)
	signed := h.marked >= enoughMarked && h.signed.atLeast() >= enoughPlaces
	flows, darknet := v.Flows >= enoughFlows, v.Darknet >= enoughDarknet
	switch {
	case signed && (flows || darknet):
		v.Kind, v.Confidence = MiraiLike, 98
	case signed:
		v.Kind, v.Confidence = MiraiLike, 90
	case flows && darknet:
		v.Kind, v.Confidence = Scanning, 95
	case flows:
		v.Kind, v.Confidence = Scanning, 85
	case darknet:
		v.Kind, v.Confidence = Scanning, 70
	default:
		return v, false
	}
	return v, true
}

// Check is the check that these weaknesses are of, and Place where on an address
// they are: they have no port of their own.
const (
	Check = "infected"
	Place = "traffic"
)

// Weakness is the verdict as something to be done.
func (v Verdict) Weakness() action.Weakness {
	w := action.Weakness{Asset: action.Asset{Kind: "device", Key: v.Address.String(), Exposed: true}, Place: Place, Check: Check, Name: "infected-" + string(v.Kind), Level: action.Critical,
		Title: "a device behind this address is infected: it looks for other devices to attack", TitleJA: "このアドレスの機器がマルウェアに感染し、他の機器を攻撃対象として探しています",
		Fix: "turn the device off and on, update its firmware, set a new password, then connect it again", FixJA: "機器の電源を入れ直し、ファームウェアを更新し、新しいパスワードを設定してから接続し直してください",
		Evidence: []action.Evidence{{At: v.Last, Text: v.Text("en")}}}
	return w
}

// Text says in one sentence what was seen.
func (v Verdict) Text(lang string) string {
	ports := make([]string, len(v.Ports))
	for i, p := range v.Ports {
		ports[i] = fmt.Sprint(p)
	}
	n, list := max(v.Darknet, v.Flows), strings.Join(ports, ", ")
	if lang == "ja" {
		s := fmt.Sprintf("%s に、少なくとも %d 個のアドレスのポート %s へ接続を試みました", v.Day, n, list)
		if v.Kind == MiraiLike {
			s += fmt.Sprintf("。うち %d 個のパケットに Mirai の特徴がありました", v.Marked)
		}
		return s
	}
	s := fmt.Sprintf("on %s it tried at least %d addresses at port %s", v.Day, n, list)
	if v.Kind == MiraiLike {
		s += fmt.Sprintf("; %d packets had Mirai's sign", v.Marked)
	}
	return s
}
