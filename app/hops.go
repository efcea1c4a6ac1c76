package app

import (
	"slices"
	"time"

	"noroshi/disk"
	"noroshi/share/push"
	"noroshi/status"
)

// How old what waits at a hop may be. A round of the decisions takes a second and
// one of the store five, so nothing is slow before a few of them were missed.
var (
	receiveBounds     = status.Bounds{Slow: time.Second, Stuck: 10 * time.Second}
	judgeBounds       = status.Bounds{Slow: 2 * time.Second, Stuck: 30 * time.Second}
	storeBounds       = status.Bounds{Slow: 15 * time.Second, Stuck: 2 * time.Minute}
	decideBounds      = status.Bounds{Slow: 4 * time.Second, Stuck: 30 * time.Second}
	acknowledgeBounds = status.Bounds{Slow: 5 * time.Second, Stuck: time.Minute}
)

// age of what waits since at; nothing waits since the zero time.
func age(now, at time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return max(0, now.Sub(at))
}

// waits completes a hop with the age of its oldest.
func waits(h status.Hop, oldest time.Duration, b status.Bounds) status.Hop {
	h.State = b.Judge(oldest)
	if oldest > 0 {
		h.OldestMS = status.MS(oldest)
	}
	return h
}

func broken(name, unit string, err error) status.Hop {
	return status.Hop{Name: name, Unit: unit, State: status.Stuck, Why: status.Say("It cannot be asked: %s", "確認できません: %s", err.Error()),
		Do: status.Say("See the hub's log, and start it anew if it does not recover.", "ハブのログを確認し、回復しなければ再起動してください。")}
}

func spoolHop(nodes []nodeReading) status.Hop {
	h := status.Hop{Name: status.Spool, Unit: "events", Rows: "/nodes"}
	var bytes int64
	var oldest time.Duration
	var rate float64
	here, behind, stuck := 0, 0, 0
	for _, n := range nodes {
		if !n.here {
			continue
		}
		here++
		rate += n.PerSecond
		if n.OldestMS > 0 {
			bytes += n.Spooled
			oldest = max(oldest, n.oldest())
		}
		switch spoolBounds.Judge(n.oldest()) {
		case status.Stuck:
			stuck++
			behind++
		case status.Slow:
			behind++
		}
	}
	h = waits(h, oldest, status.Bounds{Slow: 1<<63 - 1, Stuck: 1<<63 - 1})
	h.Bytes, h.PerSecond = &bytes, &rate
	if h.State = status.Share(behind, here); h.State == status.Stuck && stuck == 0 {
		h.State = status.Slow
	}
	if h.State == status.Fine {
		h.Why = status.Say("Events leave the nodes as they come.", "記録は届いた順に端末から出ています。")
		return h
	}
	h.Why = status.Say("On %d of %d nodes events wait for more than %.0f s.", "%[2]d台中%[1]d台のノードで、記録が%.0[3]f秒以上待っています。", behind, here, spoolBounds.Slow.Seconds())
	h.Do = status.Say("If the next hop is fine, look at the lines of these nodes; else mend the next hop first.", "次の段が正常なら該当ノードの回線を、そうでなければ先に次の段を直してください。")
	return h
}

func (h *hub) receiveHop(r *readings) status.Hop {
	x := status.Hop{Name: status.Receive, Unit: "batches", Rows: "/nodes", PerSecond: r.rate.batches}
	if r.busErr != nil {
		return broken(x.Name, x.Unit, r.busErr)
	}
	var took []time.Duration
	for _, n := range r.nodes {
		if n.here && n.BatchMS > 0 {
			took = append(took, time.Duration(n.BatchMS*float64(time.Millisecond)))
		}
	}
	full := r.bundles.MaxBytes > 0 && r.bundles.Bytes*100 >= uint64(r.bundles.MaxBytes)*95
	x = waits(x, median(took), receiveBounds)
	x.Waiting, x.Bytes = status.Count(r.received.Waiting), status.Count(r.received.WaitingBytes)
	switch {
	case r.disk.Level >= disk.Closed:
		x.State = status.Stuck
		x.Why = status.Say("The disk's brake is closed: nothing is taken in, and nodes keep their events.", "ディスクのブレーキが作動中です。受け入れを止め、記録は各ノードに残しています。")
		x.Do = status.Say("Make room on %s.", "%s の空きを増やしてください。", r.disk.Short.Path)
	case full:
		x.State = status.Stuck
		x.Why = status.Say("The bus is full: nodes are told to wait until what it has is stored.", "バスが満杯です。保存が進むまで、ノードは待たされています。")
		x.Do = status.Say("Mend the hops of judging and storing; hub.bus_max_mib is how much may wait.", "判定と保存の段を直してください。待てる量は hub.bus_max_mib です。")
	case x.State > status.Fine:
		x.Why = status.Say("Making a batch durable takes nodes longer than it should.", "束を確実に保存するのに時間がかかっています。")
		x.Do = status.Say("The disk of the bus is slow, or the hub has too little of the processor.", "バスのディスクが遅いか、ハブの計算能力が足りません。")
	default:
		x.Why = status.Say("Batches are durable as soon as they arrive.", "束は届くとすぐに確実に保存されています。")
	}
	return x
}

func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

func judgeHop(r *readings) status.Hop {
	h := status.Hop{Name: status.Judge, Unit: "bundles", Rows: "/search", PerSecond: r.rate.events}
	if r.busErr != nil {
		return broken(h.Name, h.Unit, r.busErr)
	}
	waiting := r.bundles.Last - min(r.marks.Judged, r.bundles.Last)
	h = waits(h, age(r.at, r.unjudged), judgeBounds)
	h.Waiting = status.Count(waiting)
	if h.State == status.Fine {
		h.Why = status.Say("Every bundle is shown to rules and indicators as it comes.", "束は届き次第、規則と指標に照らされています。")
		return h
	}
	h.Why = status.Say("More comes than rules and indicators can be asked about.", "規則と指標の判定が流量に追いついていません。")
	h.Do = status.Say("See which organisation sends most; give the hub more of the processor, or add a hub.", "最も多く送る組織を確かめ、ハブの計算能力を増やすか、ハブを加えてください。")
	return h
}

func storeHop(r *readings) status.Hop {
	h := status.Hop{Name: status.Store, Unit: "bundles", Rows: "/search", PerSecond: r.rate.events}
	if r.busErr != nil {
		return broken(h.Name, h.Unit, r.busErr)
	}
	h = waits(h, age(r.at, r.bundles.Oldest), storeBounds)
	h.Waiting, h.Bytes = status.Count(r.bundles.Messages), status.Count(r.bundles.Bytes)
	if h.State == status.Fine {
		h.Why = status.Say("What comes can be found within a second, and is on the disk of the store every five.", "届いた記録は1秒以内に検索でき、5秒ごとに保存先のディスクに書き込まれます。")
		return h
	}
	h.Why = status.Say("The event store does not keep up; the bus keeps what waits.", "イベントストアの保存が追いついていません。待つ分はバスに残っています。")
	h.Do = status.Say("See the event store below: its disk is slow, full or away.", "下のイベントストアを確認してください。ディスクが遅いか、満杯か、応答していません。")
	return h
}

func decideHop(r *readings) status.Hop {
	h := status.Hop{Name: status.Decide, Unit: "findings", Rows: "/findings", PerSecond: r.rate.findings}
	if r.busErr != nil {
		return broken(h.Name, h.Unit, r.busErr)
	}
	h = waits(h, age(r.at, r.stages.Oldest), decideBounds)
	h.Waiting, h.Bytes = status.Count(r.stages.Messages), status.Count(r.stages.Bytes)
	if h.State == status.Fine {
		h.Why = status.Say("Findings are shown to the policies as they come.", "所見は届き次第、方針に照らされています。")
		return h
	}
	h.Why = status.Say("Findings wait for the policies: the ledger is slow, or they are very many.", "所見が方針の判断を待っています。台帳が遅いか、所見が多すぎます。")
	h.Do = status.Say("See which rule fires so often, and how the ledger does.", "頻発する規則と台帳の状態を確認してください。")
	return h
}

func pushHop(r *readings) status.Hop {
	h := status.Hop{Name: status.Push, Unit: "changes", Rows: "/indicators"}
	if r.ledgerErr != nil {
		return broken(h.Name, h.Unit, r.ledgerErr)
	}
	h.Waiting = &r.behind.Unpushed
	h.Why = status.Say("What is decided is pushed at once.", "決定は直ちに配信されています。")
	if r.behind.Unpushed > 0 {
		h.Why = status.Say("Changes wait to be pushed.", "配信を待つ変更があります。")
		h.Do = status.Say("If they do not become fewer, see the hub's log.", "減っていかなければ、ハブのログを確認してください。")
	}
	return h
}

func acknowledgeHop(edges []push.EdgeState, oldest, now time.Time) status.Hop {
	h := status.Hop{Name: status.Acknowledge, Unit: "edges", Rows: "/nodes"}
	confirmed, behind, diverged, away := behindEdges(edges)
	h = waits(h, age(now, oldest), acknowledgeBounds)
	h.Waiting = status.Count(behind)
	if h.State > status.Fine { // A young change is on its way; an old one counts by how many lack it.
		h.State = min(h.State, status.Share(behind, confirmed+behind))
	}
	switch {
	case h.State > status.Fine:
		h.Why = status.Say("%d edges that are there have not confirmed the newest state (%d of them differ).", "応答中のエッジ%d台が最新の状態を確認していません(うち不一致%d台)。", behind, diverged)
		h.Do = status.Say("They ask again by themselves; one that stays so has a full disk or a fault of its own.", "自動で再取得します。続く場合、そのエッジのディスクか本体に問題があります。")
	case away > 0:
		h.Why = status.Say("%d edges confirmed; %d are away and enforce what they had.", "%d台が確認済みです。応答のない%d台は、最後に受けた遮断を続けています。", confirmed, away)
	default:
		h.Why = status.Say("All %d edges confirmed the newest state.", "全%d台のエッジが最新の状態を確認しています。", confirmed)
	}
	return h
}
