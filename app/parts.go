package app

import (
	"runtime"
	"time"

	"noroshi/disk"
	"noroshi/identity"
	"noroshi/status"
)

// slowLedger is from when on the ledger is said to be slow: the looks of one
// status are a dozen queries.
var slowLedger = status.Bounds{Slow: time.Second, Stuck: readTime}

// hubParts are what the hops of this hub stand on.
func (h *hub) hubParts(r *readings) []status.Part {
	name := h.name()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	parts := []status.Part{
		{Kind: status.KindHub, Name: name, Hub: name, Why: status.Say("It runs.", "稼働しています。"), Facts: []status.Fact{
			{Name: "version", Text: Version()}, {Name: "started", Value: float64(h.started.Unix()), Unit: "time"},
			{Name: "memory", Value: float64(mem.Sys), Unit: "bytes"}}},
		h.busPart(r, name), h.ledgerPart(r), lookBackPart(r, name), advisoriesPart(r), mailPart(r),
		{Kind: status.KindQuarantine, Why: status.Say("What cannot be used is kept with its reason.", "使えない入力は理由とともに隔離されています。"), Rows: "/nodes",
			Facts: []status.Fact{{Name: "refused", Value: float64(h.seen.allQuarantined()), Unit: "count"}, {Name: "unkept", Value: float64(h.seen.unkept.Load()), Unit: "count"}}},
	}
	if r.connectionsErr == nil {
		parts[0].Facts = append(parts[0].Facts, status.Fact{Name: "connections", Value: float64(r.connections), Unit: "count"})
	}
	if h.own != nil {
		parts = append(parts, h.storePart(r, name))
	}
	parts = append(parts, h.fedParts()...)
	parts = append(parts, certificateParts(r.own, r.at)...)
	for i := range parts {
		if parts[i].State == status.Fine {
			parts[i].Do = status.Text{}
		}
	}
	return parts
}

func (h *hub) busPart(r *readings, hub string) status.Part {
	strangers := uint64(0)
	for _, n := range r.strangers {
		strangers += n
	}
	p := status.Part{Kind: status.KindBus, Name: hub, Hub: hub, Why: status.Say("It takes batches and loses none.", "束を受け入れ、失っていません。"), Facts: []status.Fact{
		{Name: "waiting", Value: float64(r.bundles.Bytes), Unit: "bytes"}, {Name: "room", Value: float64(r.bundles.MaxBytes), Unit: "bytes"},
		{Name: "refused_batches", Value: float64(r.received.Refused), Unit: "count"}, {Name: "refused_connections", Value: float64(strangers), Unit: "count"}}}
	used := 0.0
	if r.bundles.MaxBytes > 0 {
		used = 100 * float64(r.bundles.Bytes) / float64(r.bundles.MaxBytes)
	}
	switch {
	case r.busErr != nil:
		p.State, p.Why = status.Stuck, status.Say("It does not answer.", "応答がありません。")
		p.Do = status.Say("If the disk was full, start the hub anew; nothing acknowledged is lost.", "ディスクが満杯になった場合はハブを再起動してください。受領済みのものは失われません。")
	case used >= 50:
		p.State, p.Why = status.Slow, status.Say("Its room is used up to %.0f %%.", "容量の%.0f%%を使っています。", used)
		p.Do = status.Say("Mend the hop that is behind; beyond 100 %% nodes wait.", "遅れている段を直してください。100%%を超えるとノードが待ちます。")
	}
	return p
}

func (h *hub) storePart(r *readings, hub string) status.Part {
	p := status.Part{Kind: status.KindStore, Name: "events", Hub: hub, Rows: "/search", LagMS: status.MS(age(r.at, r.bundles.Oldest)),
		Why: status.Say("It takes events.", "保存を受け付けています。"), Facts: []status.Fact{
			{Name: "rows", Value: float64(r.store.Rows), Unit: "count"}, {Name: "bytes", Value: float64(r.store.Bytes), Unit: "bytes"},
			{Name: "retention", Value: float64(h.cfg.Hub.RetentionDays) * 86400, Unit: "seconds"}}}
	switch {
	case r.storeErr != nil:
		p.State, p.Why, p.Do = status.Stuck, status.Say("It does not answer.", "応答がありません。"), status.Say("See the hub's log.", "ハブのログを確認してください。")
	case r.store.Full:
		p.State, p.Why = status.Stuck, status.Say("Its disk is full: it takes nothing.", "ディスクが満杯で、保存できません。")
		p.Do = status.Say("Make room, or keep events for fewer days (hub.events_retention_days).", "空きを増やすか、保存日数(hub.events_retention_days)を減らしてください。")
	}
	return p
}

func (h *hub) ledgerPart(r *readings) status.Part {
	p := status.Part{Kind: status.KindLedger, Name: h.db.Engine(), State: slowLedger.Judge(r.ledgerTook), LagMS: status.MS(r.ledgerTook), Why: status.Say("It answers.", "応答しています。"),
		Facts: []status.Fact{{Name: "failed_writes", Value: float64(h.seen.ledgerFailed.Load()), Unit: "count"}}}
	switch {
	case r.ledgerErr != nil:
		p.State, p.Why = status.Stuck, status.Say("It does not answer: nothing is decided.", "応答がありません。決定が止まっています。")
		p.Do = status.Say("See whether its database and its disk work; blocks in force stay in force.", "データベースとディスクを確認してください。有効な遮断は続いています。")
	case p.State > status.Fine:
		p.Why = status.Say("It answers slowly.", "応答が遅くなっています。")
		p.Do = status.Say("Its disk or its database has too much to do.", "ディスクまたはデータベースの負荷が高すぎます。")
	}
	return p
}

// huntBounds say how long an indicator may wait to be looked for: a look back
// over everything that is stored takes a while.
var huntBounds = status.Bounds{Slow: time.Minute, Stuck: 10 * time.Minute}

func lookBackPart(r *readings, hub string) status.Part {
	p := status.Part{Kind: status.KindLookBack, Name: hub, Hub: hub, Rows: "/indicators", State: huntBounds.Judge(age(r.at, r.hunts.Oldest)), Why: status.Say("New indicators are looked for in what is stored.", "新しい指標を過去の記録から探しています。"),
		Facts: []status.Fact{{Name: "waiting", Value: float64(r.hunts.Waiting), Unit: "count"}}}
	if r.hunts.Waiting > 0 {
		p.LagMS = status.MS(age(r.at, r.hunts.Oldest))
	}
	if p.State > status.Fine {
		p.Why = status.Say("Indicators wait long to be looked for.", "指標が長く探索を待っています。")
		p.Do = status.Say("It catches up by itself and skips none; if it does not, see the hub's log and the event store.", "自動で追いつき、漏れはありません。進まない場合はハブのログとイベントストアを確認してください。")
	}
	return p
}

// advisoriesPart says what systems are matched with.
func advisoriesPart(r *readings) status.Part {
	x := r.exposure
	p := status.Part{Kind: status.KindAdvisories, Name: "advisories", Why: status.Say("Systems are matched with what is known.", "システムは既知の脆弱性と照合されています。"), Facts: []status.Fact{
		{Name: "systems", Value: float64(x.Systems), Unit: "count"}, {Name: "feeds", Value: float64(x.Feeds), Unit: "count"}, {Name: "advisories", Value: float64(x.Advisories), Unit: "count"},
		{Name: "waiting", Value: float64(x.Waiting), Unit: "count"}}}
	if x.Waiting > 0 {
		p.State, p.Why = status.Slow, status.Say("%d feeds lost more than half of their entries and are not believed.", "%d件のフィードで項目が半分以上失われたため、採用していません。", x.Waiting)
		p.Do = status.Say("See why ('noroshi advisory list'), and accept them or load them again.", "noroshi advisory list で理由を確認し、承認するか読み込み直してください。")
	}
	return p
}

// certificateParts are the hub's own certificates. The authority's renewal is
// planned by people; the others renew themselves, or should have.
func certificateParts(own []identity.Ending, now time.Time) []status.Part {
	var out []status.Part
	for _, c := range own {
		left := c.NotAfter.Sub(now)
		p := status.Part{Kind: status.KindCertificate, Name: c.Name, Why: status.Say("It is valid.", "有効です。"), Facts: []status.Fact{{Name: "ends", Value: float64(c.NotAfter.Unix()), Unit: "time"}}}
		switch authority := c.Name == identity.Authority; {
		case authority && left < 365*24*time.Hour:
			p.State, p.Do = status.Slow, status.Say("Plan its renewal: every node must learn of the new one before.", "更新を計画してください。全ノードに新しい証明書を配る必要があります。")
		case !authority && left < ownEndsSoon:
			p.State, p.Do = status.Slow, status.Say("It renews by itself and could not: is its folder writable?", "自動更新に失敗しています。フォルダーに書き込めるか確認してください。")
		}
		if p.State > status.Fine {
			p.Why = status.Say("It ends in %.0f days.", "期限まであと%.0f日です。", left.Hours()/24)
		}
		out = append(out, p)
	}
	return out
}

// diskParts are the filesystems, each as the brake sees it.
func diskParts(d disk.State) []status.Part {
	var out []status.Part
	if d.Err != nil {
		out = append(out, status.Part{Kind: status.KindDisk, Name: "disk", Hub: hubName(), State: status.Stuck, Why: status.Say("A disk does not answer.", "ディスクが応答しません。"),
			Do: status.Say("See whether it is mounted and sound.", "接続と状態を確認してください。"), Facts: []status.Fact{}})
	}
	for _, s := range d.Spaces {
		p := status.Part{Kind: status.KindDisk, Name: s.Path, Hub: hubName(), Why: status.Say("There is room.", "空きがあります。"), Facts: []status.Fact{
			{Name: "free", Value: float64(s.Free), Unit: "bytes"}, {Name: "total", Value: float64(s.Total), Unit: "bytes"}, {Name: "free_percent", Value: s.FreePercent, Unit: "percent"},
			{Name: "free_inodes", Value: s.InodesPercent, Unit: "percent"}}}
		if s.Path == d.Short.Path {
			p.Facts = append(p.Facts, status.Fact{Name: "brake_below", Value: float64(d.CloseAt), Unit: "bytes"})
			switch {
			case d.Level >= disk.Closed:
				p.State, p.Why = status.Stuck, status.Say("Nearly full: the brake is closed until %.1f GiB are free. Nothing is taken in; decisions, pushes and revocations go on.", "残りわずかです。%.1f GiB空くまで受け入れを止めています。決定・配信・取消は続いています。", float64(d.OpenAt)/(1<<30))
				p.Do = status.Say("Make room, or make the disk larger; it opens by itself.", "空きを増やすか、ディスクを大きくしてください。自動で再開します。")
			case d.Level == disk.Low:
				p.State, p.Why = status.Slow, status.Say("It is getting full.", "空きが少なくなっています。")
				p.Do = status.Say("Make room before the brake closes, or keep events for fewer days (hub.events_retention_days).", "ブレーキが作動する前に空きを増やすか、保存日数(hub.events_retention_days)を減らしてください。")
			}
		}
		out = append(out, p)
	}
	return out
}
