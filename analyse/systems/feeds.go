package systems

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/analyse/affected"
	"noroshi/analyse/exploited"
	"noroshi/analyse/feed"
	"noroshi/analyse/nvd"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// The kinds of feeds.
const (
	Archive = "archive"  // a zip file of OSV advisories, which is replaced as a whole
	Single  = "advisory" // one OSV or CSAF advisory in JSON, under its own identifier
	Attacks = "attacks"  // what is known of attacks: CISA's KEV in JSON, or EPSS in CSV
	Names   = "names"    // NVD in JSON 2.0, by the names of products (CPE)
)

// Feed is a source of advisories, with what is believed of it.
type Feed struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Believed *Loading `json:"believed,omitempty"`
	// Waiting is what came last and is not believed until a person accepts it;
	// Why says what is odd about it.
	Waiting *Loading `json:"waiting,omitempty"`
	Why     string   `json:"why,omitempty"`
	WhyJA   string   `json:"why_ja,omitempty"`
	Version int64    `json:"version"`
}

// Loading is one file of a feed, and what became of its entries.
type Loading struct {
	SHA256 string `json:"sha256"`
	Bytes  int    `json:"bytes"`
	affected.Report
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	From string    `json:"from"` // a file, or an address
	// Contents is what the next file is compared with; it is not shown.
	Contents feed.Contents `json:"contents,omitzero"`
}

// shown is a feed without what only the next file is compared with; who loaded it
// and from where is the centre's to know.
func (f Feed) shown(all bool) Feed {
	for _, l := range []**Loading{&f.Believed, &f.Waiting} {
		if *l == nil {
			continue
		}
		x := **l
		x.Contents = feed.Contents{}
		if !all {
			x.By, x.From, x.File, x.Said = "", "", "", nil
		}
		*l = &x
	}
	return f
}

// MaxFeed is how large the file of a feed may be.
const MaxFeed = 256 << 20

var feedName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)

// Load takes a file of advisories in as the new state of a feed. One that has less
// than half of the entries that are believed is kept and not believed.
func (x *Systems) Load(ctx context.Context, s access.Scope, name, from string, content []byte) (f Feed, err error) {
	const op = "systems.load"
	if err := x.centre(s, op); err != nil {
		return f, err
	}
	if err := x.d.Closed(); err != nil {
		return f, err
	}
	if len(content) > MaxFeed {
		return f, fault.New(fault.TooLarge, op, "a file of advisories has at most %d MiB; load each ecosystem's by itself", MaxFeed>>20)
	}
	sum := sha256.Sum256(content)
	l := &Loading{SHA256: hex.EncodeToString(sum[:]), Bytes: len(content), At: x.now(), By: s.Actor(), From: from}
	name, kind, err := l.read(name, content)
	l.File = from
	if err != nil {
		return f, x.aside(ctx, x.root(), "advisories "+from, content, err)
	}
	if !feedName.MatchString(name) {
		return f, fault.New(fault.Invalid, op, "%.128q is no name of a feed: letters, digits and . _ : -, at most 128", name)
	}
	for _, p := range l.Said {
		_ = x.aside(ctx, x.root(), "advisories "+name, nil, fault.New(fault.Invalid, op, "%s", p)) // What is sound of the file is taken.
	}
	if done, f, err := x.hasLoaded(ctx, name, l.SHA256); done || err != nil {
		return f.shown(true), err
	}
	if err := x.keep(ctx, s.Actor(), name, l.SHA256, content); err != nil {
		return f, err
	}
	err = x.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		f, err = readFeed(ctx, tx, name)
		switch fresh := fault.KindOf(err) == fault.NotFound; {
		case fresh:
			f = Feed{Name: name, Kind: kind}
		case err != nil:
			return err
		case f.Kind != kind:
			return fault.New(fault.Conflict, op, "%s is a feed of another kind: %s", name, f.Kind)
		}
		if b := f.Believed; b != nil && kind != Single {
			if err := feed.Believe(b.Contents, l.Contents); err != nil {
				f.Waiting, f.Why = l, fault.PublicOf(err)
				f.WhyJA = fmt.Sprintf("採用中の%d件のうち%.0f%%が失われ、%d件しかありません", b.Contents.Entries, 100*feed.Lost(b.Contents, l.Contents), l.Contents.Entries)
				return x.saveFeed(ctx, tx, &f, "flagged")
			}
		}
		f.Believed, f.Waiting, f.Why, f.WhyJA = l, nil, "", ""
		return x.saveFeed(ctx, tx, &f, "loaded")
	})
	return f.shown(true), x.after(ctx, op, err)
}

// centre lets only those in who may speak for the whole platform: everybody is
// matched with the same advisories.
func (x *Systems) centre(s access.Scope, op string) error {
	if !s.Allows(x.root()) {
		return fault.New(fault.Denied, op, "advisories are for everybody: an administrator of the centre loads and accepts them")
	}
	return nil
}

// read tells what a file is, and of which feed, and what became of its entries.
func (l *Loading) read(name string, content []byte) (_, kind string, err error) {
	switch text := bytes.TrimLeft(content, "\ufeff \t\r\n"); {
	case isNVD(content):
		r, err := addNames(&nvd.Known{}, content, func(string) bool { return false })
		l.Report.Advisories, l.Problems, l.Contents = r.Entries, r.Problems, r.Contents()
		return name, Names, err
	case bytes.HasPrefix(text, []byte("PK")):
		l.Report, err = affected.New().ReadZip(l.From, bytes.NewReader(content), int64(len(content)))
		l.Contents = l.Report.Contents()
		return name, Archive, err
	case bytes.HasPrefix(text, []byte("{")):
		var x struct {
			ID       string
			Catalog  string `json:"catalogVersion"`
			Document struct{ Tracking struct{ ID string } }
		}
		if err := json.Unmarshal(text, &x); err != nil {
			return name, Single, fault.As(fault.Invalid, "systems.load", err, "it is no advisory: %v", err)
		}
		if x.Catalog == "" {
			return cmp.Or(x.ID, x.Document.Tracking.ID), Single, affected.New().AddJSON(content, &l.Report)
		}
	}
	r, err := addAttacks(&exploited.Known{}, content)
	l.Report.Advisories, l.Problems, l.Contents = r.Entries, r.Problems, r.Contents
	return strings.ToLower(r.Kind), Attacks, err
}

// maxNames is how large a file of NVD may be, unpacked: one year has some 200 MiB.
const maxNames = 2 << 30

// isNVD tells a file of NVD, plain or gzip, by its head.
func isNVD(content []byte) bool {
	in, err := feed.Unpack(bytes.NewReader(content), maxNames)
	if err != nil {
		return false
	}
	head := make([]byte, 4096)
	n, _ := io.ReadFull(in, head) // A short file has all of it.
	return bytes.HasPrefix(bytes.TrimSpace(head[:n]), []byte("{")) && bytes.Contains(head[:n], []byte(`"NVD_CVE"`))
}

func addNames(to *nvd.Known, content []byte, wanted func(string) bool) (nvd.Report, error) {
	in, err := feed.Unpack(bytes.NewReader(content), maxNames)
	if err != nil {
		return nvd.Report{}, err
	}
	return to.Read(in, wanted)
}

// maxAttacks is how large a file about attacks may be, unpacked.
const maxAttacks = 128 << 20

func addAttacks(to *exploited.Known, content []byte) (exploited.Report, error) {
	in, err := feed.Unpack(bytes.NewReader(content), maxAttacks)
	if err != nil {
		return exploited.Report{}, err
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return exploited.Report{}, err
	}
	return to.Add(b)
}

// hasLoaded tells whether a file is the newest of its feed already.
func (x *Systems) hasLoaded(ctx context.Context, name, sum string) (done bool, f Feed, err error) {
	err = x.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		f, err = readFeed(ctx, q, name)
		return err
	})
	if fault.KindOf(err) == fault.NotFound {
		return false, f, nil
	}
	newest := f.Believed
	if f.Waiting != nil {
		newest = f.Waiting
	}
	return newest != nil && newest.SHA256 == sum, f, fault.Wrap("systems.load", err)
}

// Accept believes what waits of a feed that was looked at in a version.
func (x *Systems) Accept(ctx context.Context, s access.Scope, name string, version int64) (f Feed, err error) {
	const op = "systems.accept"
	if err := x.centre(s, op); err != nil {
		return f, err
	}
	err = x.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		if f, err = readFeed(ctx, tx, name); err != nil {
			return err
		}
		if f.Waiting == nil || f.Version != version {
			return fault.New(fault.Conflict, op, "nothing waits there to be accepted, or it is another file by now; read it again")
		}
		f.Believed, f.Waiting, f.Why, f.WhyJA = f.Waiting, nil, "", ""
		return x.saveFeed(ctx, tx, &f, "accepted")
	})
	return f.shown(true), x.after(ctx, op, err)
}

func (x *Systems) saveFeed(ctx context.Context, tx *ledger.Tx, f *Feed, event string) error {
	n, err := edition.Next(ctx, tx)
	if err != nil {
		return err
	}
	f.Version++
	keep, waiting := []string{f.Believed.SHA256}, 0
	if f.Waiting != nil {
		keep, waiting = append(keep, f.Waiting.SHA256), 1
	}
	if _, err := tx.Exec(ctx, `INSERT INTO advisory_feed (name, changed, waiting, body) VALUES (?,?,?,?)
		ON CONFLICT (name) DO UPDATE SET changed = excluded.changed, waiting = excluded.waiting, body = excluded.body`, f.Name, n, waiting, ledger.JSON(f)); err != nil {
		return err
	}
	in, args := ledger.In(keep)
	if _, err := tx.Exec(ctx, `DELETE FROM advisory_part WHERE feed = ? AND edition NOT IN `+in, append([]any{f.Name}, args...)...); err != nil {
		return err
	}
	return tx.Record(ctx, "feed", ident.ID(f.Name), x.root(), event, f.shown(true))
}

// perTransaction is how much of a file is written before others may write.
const (
	perPart        = 1 << 20
	perTransaction = 8
)

// keep writes the file of a feed, which nothing refers to yet.
func (x *Systems) keep(ctx context.Context, actor, name, sum string, content []byte) error {
	for n := 0; n == 0 || n*perPart < len(content); {
		next := n
		err := x.d.DB.Write(ctx, actor, func(tx *ledger.Tx) error {
			next = n
			if n == 0 { // One that was interrupted, or was dropped since.
				if _, err := tx.Exec(ctx, `DELETE FROM advisory_part WHERE feed = ? AND edition = ?`, name, sum); err != nil {
					return err
				}
			}
			for ; next < n+perTransaction && next*perPart < len(content); next++ {
				part := content[next*perPart : min((next+1)*perPart, len(content))]
				if _, err := tx.Exec(ctx, `INSERT INTO advisory_part (feed, edition, number, content) VALUES (?,?,?,?)`, name, sum, next, part); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fault.Wrap("systems.keep", err)
		}
		n = next
	}
	return nil
}

func contentOf(ctx context.Context, q ledger.Queryer, name, sum string) ([]byte, error) {
	content := []byte{}
	r, err := q.Query(ctx, `SELECT content FROM advisory_part WHERE feed = ? AND edition = ? ORDER BY number`, name, sum)
	err = ledger.Each(r, err, func(scan func(...any) error) error {
		var part []byte
		err := scan(&part)
		content = append(content, part...)
		return err
	})
	if got := sha256.Sum256(content); err == nil && hex.EncodeToString(got[:]) != sum {
		err = fault.New(fault.Internal, "systems.feed", "the file of the feed %s is not what was loaded: its SHA-256 is another", name)
	}
	return content, err
}

// FeedPage is one page of feeds.
type FeedPage struct {
	Items []Feed `json:"items"`
	Next  string `json:"next,omitempty"` // the cursor of the next page
}

// Feeds lists the feeds by their names, those behind a name if it is given. Who
// loaded them and from where is the centre's to know.
func (x *Systems) Feeds(ctx context.Context, s access.Scope, behind string, limit int) (p FeedPage, err error) {
	p.Items = []Feed{}
	if limit <= 0 || limit > 500 {
		limit = 100
	}
	err = x.d.DB.Read(ctx, func(q ledger.Queryer) error {
		r, err := q.Query(ctx, `SELECT body FROM advisory_feed WHERE name > ? ORDER BY name LIMIT ?`, behind, limit+1)
		return ledger.Each(r, err, func(scan func(...any) error) error {
			var body string
			if err := scan(&body); err != nil {
				return err
			}
			var f Feed
			err := json.Unmarshal([]byte(body), &f)
			p.Items = append(p.Items, f.shown(s.Allows(x.root())))
			return err
		})
	})
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		p.Next = p.Items[limit-1].Name
	}
	return p, fault.Wrap("systems.feeds", err)
}
