package mail

import (
	"fmt"
	"strings"
	"time"

	"noroshi/ident"
)

// maxTold is how many reminders a letter names for one organisation; the console
// has all of them.
const maxTold = 100

// words are the sentences of a letter: Japanese, English.
var words = map[string][2]string{
	"subject":  {"【狼煙】%s 対応が必要な件のお知らせ(是正 %d件、注意喚起 %d件)", "[Noroshi] %s: %d actions and %d notices wait for you"},
	"test":     {"【狼煙】配信の試験", "[Noroshi] A test of delivery"},
	"testText": {"このメールが届いていれば、配信の設定は正しく行われています。対応の必要はありません。\n", "If you read this, mail is set up rightly. Nothing need be done.\n"},
	"reminded": {"■ 是正の督促(%d件)", "Actions (%d)"},
	"soon":     {"期限が近い", "due soon"}, "due": {"期限", "due"}, "late": {"期限超過", "overdue"},
	"line":    {"%s %s: %s", "%s %s: %s"},
	"of":      {"対象: %s", "on: %s"},
	"owner":   {"組織: %s", "of: %s"},
	"who":     {"担当: %s", "assigned to: %s"},
	"kev":     {"【悪用を確認】", "(known to be exploited) "},
	"more":    {"ほか %d件は画面でご確認ください。", "%d more are in the console."},
	"notices": {"■ 利用者へお渡しいただく注意喚起(%d件)", "Notices to hand on to your customers (%d)"},
	"files": {"添付の表に、アドレス・時刻・機器・弱点と利用者用ページのリンクがあり、letters.txt に文面があります。契約者を特定のうえ、お渡しください。利用者用ページのリンクは、その利用者以外に渡さないでください。",
		"The attached table has address, time, device, weaknesses and the link of each owner's page; letters.txt has the words. Please find the customer and hand them over. An owner's link is for that owner alone."},
	"stop": {"このメールは自動送信です。配信の停止や宛先の変更は %s までご連絡ください。", "This mail was sent automatically. To stop it or to change who gets it, write to %s."},
}

func say(lang, key string, args ...any) string {
	w := words[key][0]
	if lang == "en" {
		w = words[key][1]
	}
	if len(args) == 0 {
		return w
	}
	return fmt.Sprintf(w, args...)
}

// called is what an organisation is called in a language.
func (m *Mail) called(id ident.ID, lang string) string {
	o, ok := m.d.Tree().Get(id)
	if !ok {
		return string(id)
	}
	if lang == "ja" && o.NameJA != "" {
		return o.NameJA
	}
	return o.Name
}

// write makes the letter of a day.
func (m *Mail) write(lang, day string, parts []section) (subject, text string) {
	var b strings.Builder
	actions, notices := 0, 0
	for _, p := range parts {
		actions, notices = actions+len(p.reminders), notices+len(p.notices)
		b.WriteString("== " + m.called(p.org, lang) + " ==\n\n")
		if len(p.reminders) > 0 {
			m.writeReminders(&b, lang, p)
		}
		if len(p.notices) > 0 {
			b.WriteString(say(lang, "notices", len(p.notices)) + "\n" + say(lang, "files") + "\n" + m.cfg.Link() + "/notices\n\n")
		}
	}
	b.WriteString("-- \n" + say(lang, "stop", m.cfg.Contact) + "\n")
	return say(lang, "subject", day, actions, notices), b.String()
}

func (m *Mail) writeReminders(b *strings.Builder, lang string, p section) {
	b.WriteString(say(lang, "reminded", len(p.reminders)) + "\n")
	for i, x := range p.reminders {
		if i == maxTold {
			b.WriteString(say(lang, "more", len(p.reminders)-maxTold) + "\n" + m.cfg.Link() + "/actions?overdue=true\n")
			break
		}
		title := x.Title
		if lang == "ja" && x.TitleJA != "" {
			title = x.TitleJA
		}
		if x.KEV {
			title = say(lang, "kev") + title
		}
		b.WriteString("・" + say(lang, "line", say(lang, x.Kind), x.Due.In(m.cfg.Zone).Format(time.DateOnly), plain(title)) + "\n")
		about := []string{say(lang, "of", plain(x.Asset))}
		if x.Org != p.org {
			about = append(about, say(lang, "owner", m.called(x.Org, lang)))
		}
		if x.Assignee != "" {
			about = append(about, say(lang, "who", plain(x.Assignee)))
		}
		b.WriteString("  " + strings.Join(about, "  ") + "\n  " + m.cfg.Link() + "/actions?state=all&id=" + string(x.Action) + "\n")
	}
	b.WriteString("\n")
}

// plain keeps on one line what others wrote, and at a length that can be read.
func plain(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "�")), " ")
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}
