// Package ssvc says how soon a weakness at one place must be dealt with, by the
// decision tree of CISA (Stakeholder-Specific Vulnerability Categorization,
// coordinator 2.0.3), and says of each of the four inputs where it comes from,
// in English and Japanese. It is a pure function of what is known; due dates are
// the caller's.
package ssvc

import (
	"fmt"
	"time"

	"noroshi/analyse/cvss"
)

// Decision is the outcome, from the least to the most urgent.
type Decision uint8

// The decisions.
const (
	Track     Decision = iota // with the ordinary updates
	TrackStar                 // with the ordinary updates, watched for changes
	Attend                    // sooner than the ordinary updates
	Act                       // as soon as possible
)

var decisions = [...]struct{ name, en, ja string }{
	Track:     {"track", "mend it with the ordinary updates", "通常の更新で対応してください"},
	TrackStar: {"track*", "mend it with the ordinary updates and watch for changes", "通常の更新で対応し、状況の変化に注意してください"},
	Attend:    {"attend", "mend it sooner than the ordinary updates", "通常の更新より早く対応してください"},
	Act:       {"act", "mend it as soon as possible", "できるだけ早く対応してください"},
}

// String is the decision's name, such as track*.
func (d Decision) String() string { return decisions[min(int(d), len(decisions)-1)].name }

// MarshalText writes the decision's name.
func (d Decision) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Points are the four decision points of the tree.
type Points struct {
	Exploitation    string `json:"exploitation"`     // none, poc, active
	Automatable     string `json:"automatable"`      // no, yes
	TechnicalImpact string `json:"technical_impact"` // partial, total
	Mission         string `json:"mission"`          // mission and well-being: low, medium, high
}

// tree holds the outcomes of CISA's table: by exploitation, then automatable and
// technical impact (no partial, no total, yes partial, yes total), then mission
// from low to high.
var tree = [3][4][3]Decision{
	{{Track, Track, Track}, {Track, Track, TrackStar}, {Track, Track, Attend}, {Track, Track, Attend}},
	{{Track, Track, TrackStar}, {Track, TrackStar, Attend}, {Track, Track, Attend}, {Track, TrackStar, Attend}},
	{{Track, Track, Attend}, {Track, Attend, Act}, {Attend, Attend, Act}, {Attend, Act, Act}},
}

// Decide looks the points up.
func (p Points) Decide() Decision {
	exploitation := map[string]int{"none": 0, "poc": 1, "active": 2}[p.Exploitation]
	mission := map[string]int{"low": 0, "medium": 1, "high": 2}[p.Mission]
	branch := 0
	if p.Automatable == "yes" {
		branch = 2
	}
	if p.TechnicalImpact == "total" {
		branch++
	}
	return tree[exploitation][branch][mission]
}

// Exposure is whether the place is reached from the Internet.
type Exposure uint8

// The exposures. What nobody has looked at is not known.
const (
	NotKnown Exposure = iota
	Inside            // looked at from outside, and not reached
	Outside           // its owner says that it is reached from the Internet
	Seen              // looked at from outside, and reached
)

// LikelyEPSS is the probability from which an exploit is taken to be public
// although nobody shows it: a weakness with more than one chance in ten to be
// attacked within 30 days is among the two in a hundred that are worst.
const LikelyEPSS = 0.1

// Facts are what is known of a weakness at one place.
type Facts struct {
	KEV        bool // it stands in a catalogue of known exploited ones
	KEVAdded   time.Time
	Ransomware bool
	EPSS       float64 // 0 when not known
	Vector     cvss.Vector
	Exposure   Exposure
	Importance string // of the system: low, medium, high; "" when nobody said
}

// Answer is a decision with its inputs and its reason.
type Answer struct {
	Decision Decision `json:"decision"`
	Points   Points   `json:"points"`
	Why      string   `json:"why"`
	WhyJA    string   `json:"why_ja"`
}

// reason is why an input has its value.
type reason struct{ en, ja string }

// Judge derives the inputs and asks the tree. What is not known is assumed as
// the worse case, but for exploitation, which is none unless somebody says so,
// and importance, which is medium; the explanation says what was assumed.
func Judge(f Facts) Answer {
	var a Answer
	var why [4]reason
	a.Points.Exploitation, why[0] = f.exploitation()
	a.Points.Automatable, why[1] = f.automatable()
	a.Points.TechnicalImpact, why[2] = f.impact()
	a.Points.Mission, why[3] = f.mission()
	a.Decision = a.Points.Decide()
	d := decisions[a.Decision]
	a.Why = fmt.Sprintf("%s: %s. Exploitation %s: %s. Automatable %s: %s. Technical impact %s: %s. Mission and well-being %s: %s.",
		d.name, d.en, a.Points.Exploitation, why[0].en, a.Points.Automatable, why[1].en, a.Points.TechnicalImpact, why[2].en, a.Points.Mission, why[3].en)
	a.WhyJA = fmt.Sprintf("%s: %s。悪用状況 %s: %s。自動化 %s: %s。技術的影響 %s: %s。業務・社会への影響 %s: %s。",
		d.name, d.ja, a.Points.Exploitation, why[0].ja, a.Points.Automatable, why[1].ja, a.Points.TechnicalImpact, why[2].ja, a.Points.Mission, why[3].ja)
	return a
}

func (f Facts) exploitation() (string, reason) {
	said := f.Vector.Exploitation()
	switch {
	case f.KEV && f.Ransomware:
		return "active", since(f.KEVAdded, "known to be exploited, by ransomware too", "ランサムウェアを含む悪用が確認されています")
	case f.KEV:
		return "active", since(f.KEVAdded, "known to be exploited", "悪用が確認されています")
	case said == "active":
		return "active", reason{"the advisory's vector says that it is attacked (E:A)", "アドバイザリーのCVSSが攻撃ありとしています(E:A)"}
	case said == "poc":
		return "poc", reason{"the advisory's vector says that an exploit exists (E)", "アドバイザリーのCVSSが攻撃コードありとしています(E)"}
	case f.EPSS >= LikelyEPSS:
		return "poc", reason{
			fmt.Sprintf("EPSS gives %.0f %% for an attack within 30 days", 100*f.EPSS),
			fmt.Sprintf("EPSSによる30日以内の攻撃確率は%.0f%%です", 100*f.EPSS),
		}
	}
	return "none", reason{"nothing says that it is exploited", "悪用の情報はありません"}
}

func since(t time.Time, en, ja string) (r reason) {
	if t.IsZero() {
		return reason{en, ja}
	}
	day := t.Format(time.DateOnly)
	return reason{en + " since " + day, day + "から" + ja}
}

func (f Facts) automatable() (string, reason) {
	switch known := f.Vector.Version != ""; {
	case f.Exposure == Inside:
		return "no", reason{"it is not reached from the Internet", "インターネットから到達できません"}
	case known && !f.Vector.Automatable():
		return "no", reason{"the vector asks for nearness, luck, rights or a user", "CVSSによると近接・条件・権限・利用者の操作のいずれかが必要です"}
	case known && f.Exposure == Seen:
		return "yes", reason{"it is reached from the Internet, as was seen from outside, without rights or a user", "外部からの到達が確認されており、権限も操作もなしに攻撃できます"}
	case known && f.Exposure == Outside:
		return "yes", reason{"it is reached from the Internet, says its owner, without rights or a user", "インターネットから到達できると申告されており、権限も操作もなしに攻撃できます"}
	case known:
		return "yes", reason{"the vector needs neither rights nor a user, and nobody looked whether it is reached from the Internet", "CVSSによると権限も操作も不要で、インターネットからの到達性は未確認です"}
	}
	return "yes", reason{"assumed, since no vector is known", "CVSSが不明なため、可能と仮定しています"}
}

func (f Facts) impact() (string, reason) {
	switch {
	case f.Vector.Version == "":
		return "total", reason{"assumed, since no vector is known", "CVSSが不明なため、全面的と仮定しています"}
	case f.Vector.Total():
		return "total", reason{"confidentiality and integrity are lost wholly", "機密性と完全性が全面的に失われます"}
	}
	return "partial", reason{"not all of confidentiality and integrity is lost", "機密性と完全性の損失は部分的です"}
}

func (f Facts) mission() (string, reason) {
	switch f.Importance {
	case "low", "medium", "high":
		return f.Importance, reason{"the importance of the system", "システムの重要度による"}
	}
	return "medium", reason{"assumed, since nobody said how important the system is", "システムの重要度が未設定のため、中と仮定しています"}
}
