package surface

// Reason is why the gate allows or refuses.
type Reason uint8

// The reasons. The zero value is a refusal.
const (
	Unknown Reason = iota
	Allowed
	Withdrawn
	Expired
	OutOfHours
	NoUnicast
	WrongPort
	OutOfRange
	IsExcluded
	OwnerCap
	Unaccounted
)

var reasons = [...]struct{ name, en, ja string }{
	Unknown:     {"unknown", "refused: nobody decided", "拒否: 判定されていません"},
	Allowed:     {"allowed", "allowed by the scope", "許可: 対象範囲に含まれます"},
	Withdrawn:   {"withdrawn", "refused: the scope was withdrawn or changed while the run went on", "拒否: 実行中に対象範囲が取り下げられたか変更されました"},
	Expired:     {"expired", "refused: the authorisation has ended (valid_until)", "拒否: 許可の期限(valid_until)が過ぎています"},
	OutOfHours:  {"out_of_hours", "refused: outside the hours of the scope", "拒否: 許可された時間帯ではありません"},
	NoUnicast:   {"no_unicast", "refused: not an address of one machine", "拒否: 単一の機器を指すアドレスではありません"},
	WrongPort:   {"wrong_port", "refused: the scope does not name this port", "拒否: このポートは対象範囲にありません"},
	OutOfRange:  {"out_of_range", "refused: no range of the scope holds this address", "拒否: このアドレスは対象範囲にありません"},
	IsExcluded:  {"excluded", "refused: the address is excluded", "拒否: このアドレスは除外されています"},
	OwnerCap:    {"owner_cap", "refused: the cap of probes to the owner is reached (caps.owner)", "拒否: 所有者への送信数の上限(caps.owner)に達しました"},
	Unaccounted: {"unaccounted", "refused: the log of runs cannot be written", "拒否: 実行記録を書き込めません"},
}

// String is the reason's name, as counts say it.
func (r Reason) String() string { return reasons[min(int(r), len(reasons)-1)].name }

// Text is the sentence for a person, in "en" or "ja".
func (r Reason) Text(lang string) string {
	t := reasons[min(int(r), len(reasons)-1)]
	if lang == "ja" {
		return t.ja
	}
	return t.en
}
