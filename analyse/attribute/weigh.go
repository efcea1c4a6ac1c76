// Package attribute says of what a walk found whose it probably is: a confidence
// from 0 to 100 out of weighed evidence, each with its reason in English and
// Japanese. It remembers what people confirmed and rejected, has organisations
// walked once a day or when somebody asks, and never overwrites a judgement. It
// sends nothing itself: app hands in the walk. The API, the hub and the command
// line call it.
package attribute

import (
	"math"
	"slices"
	"time"

	"noroshi/discovery"
	"noroshi/observable"
	"noroshi/org"
)

// weight is what one kind of evidence says. A share of 100 says that the asset is
// the organisation's; factor, where it is set, takes away from what the others
// say.
type weight struct {
	share  int
	factor float64
	en, ja string
}

var weights = map[discovery.Kind]weight{
	discovery.Declared:       {100, 0, "the organisation declared it, or what it is below", "組織が自ら申告した範囲に含まれる"},
	discovery.Registrable:    {30, 0, "it is under the same registered domain as a declared name", "申告された名前と同じ登録ドメインに属する"},
	discovery.Answer:         {0, 0, "it has this record", "このレコードが存在する"},
	discovery.Transfer:       {55, 0, "it stands in a zone that was transferred by leave", "許可を得て転送したゾーンに記載がある"},
	discovery.ServedByOwn:    {35, 0, "an own name server answers for it", "自組織のネームサーバーが管理している"},
	discovery.NameServer:     {10, 0, "it is a name server of an own name", "自組織の名前のネームサーバーである"},
	discovery.MailServer:     {15, 0, "it takes mail for an own name", "自組織の名前宛てのメールを受け取る"},
	discovery.SPF:            {10, 0, "the SPF record of an own name names it", "自組織の名前のSPFレコードに記載がある"},
	discovery.SPFAddress:     {25, 0, "the SPF record of an own name lets it send mail", "自組織の名前のSPFレコードで送信を許可されている"},
	discovery.SPFBroken:      {0, 0, "its SPF record breaks the rules of RFC 7208", "SPFレコードがRFC 7208の規則に反している"},
	discovery.DMARC:          {5, 0, "DMARC reports of an own name go there", "自組織の名前のDMARC報告の送付先である"},
	discovery.Text:           {10, 0, "a text record of an own name mentions it", "自組織の名前のTXTレコードに現れる"},
	discovery.AliasTarget:    {10, 0, "an own name is an alias of it", "自組織の名前が別名として指している"},
	discovery.AddressOf:      {40, 0, "an own name leads to it", "自組織の名前が直接指すアドレスである"},
	discovery.AliasAddress:   {5, 0, "an own name leads to it by a name of somebody else", "他者の名前を経由して自組織の名前が指している"},
	discovery.PTR:            {45, 0, "its reverse name is an own name, which leads back to it", "逆引きが自組織の名前で、正引きも一致する"},
	discovery.PTRAlone:       {5, 0, "its reverse name claims an own name, which does not lead back", "逆引きは自組織の名前だが、正引きが一致しない"},
	discovery.PTRForeign:     {0, 0.7, "its reverse name is of somebody else", "逆引きが他者の名前である"},
	discovery.PTRTarget:      {25, 0, "it is the reverse name of a declared address", "申告されたアドレスの逆引き名である"},
	discovery.Permutation:    {5, 0, "it was guessed from known names, and answered", "既知の名前からの推測に応答があった"},
	discovery.PassiveName:    {15, 0, "own resolvers saw the name answered", "自組織のリゾルバーで応答が観測された"},
	discovery.PassiveAddress: {30, 0, "own resolvers saw an own name lead to it", "自組織の名前が指すことを自組織のリゾルバーで観測した"},
	discovery.CertificateOrg: {60, 0, "it is in a certificate with the organisation's name and an own name", "組織名と自組織の名前を含む証明書に記載がある"},
	discovery.Certificate:    {20, 0, "it is in a certificate with an own name", "自組織の名前を含む証明書に記載がある"},
	discovery.Shared:         {0, 0.4, "names of many others lead there, too: it is shared", "多数の他者の名前も指しており、共有されている"},
}

// Limits of what evidence amounts to.
const (
	certain = 100 // by the organisation's own declaration alone
	most    = 95  // by all else together
	likely  = 50  // from here on the organisation counts as the owner
)

// counts is how long evidence counts after it was last seen.
const counts = 90 * 24 * time.Hour

// Ground is one kind of evidence, explained, with what was seen of it.
type Ground struct {
	Kind   discovery.Kind       `json:"kind"`
	Share  int                  `json:"share"`            // of 100, that it says the asset is the organisation's
	Factor float64              `json:"factor,omitempty"` // by which it takes away from what the others say
	Stale  bool                 `json:"stale,omitempty"`  // not seen for so long that it does not count
	Text   string               `json:"text"`
	TextJA string               `json:"text_ja"`
	Facts  []discovery.Evidence `json:"facts"`
}

// Explain makes the grounds of evidence, the weightiest first.
func Explain(list []discovery.Evidence, now time.Time) []Ground {
	out := []Ground{}
	for _, e := range list {
		i := slices.IndexFunc(out, func(g Ground) bool { return g.Kind == e.Kind })
		if i < 0 {
			w := weights[e.Kind]
			i, out = len(out), append(out, Ground{Kind: e.Kind, Share: w.share, Factor: w.factor, Stale: true, Text: w.en, TextJA: w.ja})
		}
		out[i].Facts = append(out[i].Facts, e)
		out[i].Stale = out[i].Stale && stale(e, now)
	}
	slices.SortStableFunc(out, func(a, b Ground) int { return b.Share - a.Share })
	return out
}

// stale tells evidence that counts no more. A declaration is compared anew each
// time, and is never older than that.
func stale(e discovery.Evidence, now time.Time) bool { return now.Sub(e.At) > counts }

// Confidence weighs evidence as it stands at a moment. Kinds count once, however
// often they were seen, and are taken as independent: what is left to doubt is
// the product of what each leaves. Nothing but a declaration makes certain.
func Confidence(list []discovery.Evidence, now time.Time) int {
	doubt, factor := 1.0, 1.0
	counted := map[discovery.Kind]bool{}
	for _, e := range list {
		w, known := weights[e.Kind]
		if !known || counted[e.Kind] || stale(e, now) {
			continue
		}
		counted[e.Kind] = true
		if e.Kind == discovery.Declared {
			return certain
		}
		doubt *= 1 - float64(w.share)/100
		if w.factor > 0 {
			factor *= w.factor
		}
	}
	return min(most, int(math.Round(100*(1-doubt)*factor)))
}

// speaks tells kinds that say something for an owner.
func speaks(k discovery.Kind) bool { return weights[k].share > 0 }

// Declare adds to a candidate what the organisation's own declarations say of
// it, and takes away what somebody else wrote there: a walk cannot declare.
func Declare(c discovery.Candidate, d org.Assets, now time.Time) []discovery.Evidence {
	list := slices.DeleteFunc(slices.Clone(c.Evidence), func(e discovery.Evidence) bool {
		return e.Kind == discovery.Declared || e.Kind == discovery.Registrable
	})
	domains := Domains(d)
	if within := discovery.Closest(c.Asset, domains, d.Prefixes); within != "" {
		return append(list, discovery.Evidence{Kind: discovery.Declared, Via: within, From: "declaration", At: now})
	}
	for _, x := range domains {
		if r := discovery.RegistrableDomain(x); c.Asset.Kind == observable.Domain && discovery.Within(c.Asset.Value, r) {
			return append(list, discovery.Evidence{Kind: discovery.Registrable, Via: x, From: "declaration", At: now})
		}
	}
	return list
}

// Domains are the declared domains that can be somebody's: below a public suffix
// everybody may register, whoever says that it is theirs.
func Domains(d org.Assets) (out []string) {
	for _, x := range d.Domains {
		if discovery.RegistrableDomain(x) != "" {
			out = append(out, x)
		}
	}
	return out
}

// Likely tells a confidence with which the organisation counts as the owner.
func Likely(confidence int) bool { return confidence >= likely }
