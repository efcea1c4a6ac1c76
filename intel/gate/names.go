package gate

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"

	"noroshi/indicator"
	"noroshi/label"
	"noroshi/org"
)

// special are names that mean something by themselves (RFC 6761, RFC 6762,
// RFC 7686, RFC 8375) and are not for anybody to block.
var special = []string{"localhost", "invalid", "example", "local", "onion", "home.arpa", "in-addr.arpa", "ip6.arpa", "arpa"}

func (c *check) name(name string, realm label.Realm) {
	exercise := strings.HasSuffix("."+name, ".test")
	if exercise != (realm == label.Exercise) {
		c.say("realm", indicator.Refuse, "names under .test belong to exercises, and exercises may name nothing else", "訓練で使えるのは .test 以下の名前だけであり、.test は訓練専用です")
		return
	}
	if exercise {
		return
	}
	for _, s := range special {
		if below(name, s) {
			c.say("special_use", indicator.Refuse, "the name is reserved for special use ("+s+")", "特別な用途に予約された名前です("+s+")")
			return
		}
	}
	if suffix, icann := publicsuffix.PublicSuffix(name); suffix == name {
		if icann || !strings.Contains(name, ".") {
			c.say("public_suffix", indicator.Refuse, "it is a public suffix: everything below it would be blocked", "公的サフィックスです。配下のすべてが遮断されます")
		} else {
			c.say("shared_hosting", indicator.Refuse, "it is a hosting service under which everybody has names of their own", "多数の利用者が配下に名前を持つホスティングサービスです")
		}
	}
	c.lists(name)
	if c.gate.popular[registered(name)] {
		c.say("popular", indicator.Hold, "its registered domain is among the popular names", "登録ドメインが利用の多い名前の一覧にあります")
	}
}

// lists asks the warning lists: for the name itself, for lists of services with
// everything below them, and for lists of what the name would take along.
func (c *check) lists(name string) {
	hold := func(list string) {
		c.say("warning_list", indicator.Hold, "it is on the warning list “"+list+"”", "注意リスト「"+list+"」に載っています")
	}
	if l, ok := c.gate.names[name]; ok {
		hold(l)
	}
	for n := name; n != ""; {
		if l, ok := c.gate.suffixes[n]; ok {
			hold(l)
			break
		}
		_, parent, ok := strings.Cut(n, ".")
		if !ok {
			break
		}
		n = parent
	}
	for _, p := range c.gate.parts {
		if strings.Contains(name, p.text) {
			hold(p.list)
		}
	}
	for _, p := range c.gate.patterns {
		if p.re.MatchString(name) {
			hold(p.list)
		}
	}
}

func below(name, suffix string) bool {
	return name == suffix || strings.HasSuffix(name, "."+suffix)
}

// member says that a member's own is touched, and not whose: the one who asks may
// not know who the members are, nor what they have.
func (c *check) member() {
	c.say("own_asset", indicator.Hold, "it touches what a member of this platform registered as its own", "参加組織が自組織の資産として登録したものに影響します")
}

// ownNames: blocking one, what is above it or below it touches a member.
func (c *check) ownNames(name string, tree *org.Tree) {
	for _, o := range tree.All() {
		for _, d := range o.Assets.Domains {
			if below(name, d) || below(d, name) {
				c.member()
				return
			}
		}
	}
}

// Narrower than these is normal; wider touches bystanders.
const (
	usual4, usual6 = 24, 48
	never4, never6 = 8, 16
)

// reserved ranges are nobody's to block: they are ours, or everybody's.
var reserved = []string{"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
	"224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8"}

// documentation ranges (RFC 5737, RFC 3849) are for exercises.
var documentation = []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"}

func (c *check) address(p netip.Prefix, realm label.Realm) {
	doc := false
	for _, d := range documentation {
		q := netip.MustParsePrefix(d)
		doc = doc || (q.Contains(p.Addr()) && p.Bits() >= q.Bits())
	}
	if realm == label.Exercise {
		if !doc {
			c.say("realm", indicator.Refuse, "an exercise may only name documentation addresses", "訓練で使えるのは文書用アドレスだけです")
		}
		return
	}
	usual, never := usual4, never4
	if p.Addr().Is6() {
		usual, never = usual6, never6
	}
	switch {
	case p.Bits() < never:
		c.say("too_wide", indicator.Refuse, "the range is too wide for any block", "範囲が広すぎるため遮断できません")
	case p.Bits() < usual:
		c.say("too_wide", indicator.Hold, "the range is wide: bystanders are in it", "範囲が広く、無関係な利用者を含みます")
	}
	for _, r := range reserved {
		if q := netip.MustParsePrefix(r); q.Overlaps(p) {
			c.say("special_use", indicator.Refuse, "the address is private or reserved ("+r+")", "プライベートまたは予約済みのアドレスです("+r+")")
			break
		}
	}
	if l, ok := c.gate.ranges.LookupPrefix(p); ok {
		c.say("warning_list", indicator.Hold, "it is on the warning list “"+l+"”", "注意リスト「"+l+"」に載っています")
		return
	}
	for q, l := range c.gate.ranges.Subnets(p) {
		c.say("warning_list", indicator.Hold, "it holds "+q.String()+", which is on the warning list “"+l+"”", "注意リスト「"+l+"」の"+q.String()+"を含みます")
		return // One is enough to make a person look.
	}
}

func (c *check) ownRanges(p netip.Prefix, tree *org.Tree) {
	for _, o := range tree.All() {
		for _, q := range o.Assets.Prefixes {
			if q.Overlaps(p) {
				c.member()
				return
			}
		}
	}
}
