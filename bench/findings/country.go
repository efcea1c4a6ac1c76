package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/action"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/org"
)

// country is organisations below ministries below a centre, with their assets.
type country struct {
	orgs, assets, each int
	tree               *org.Tree
	members            []ident.ID
	ministries         []ident.ID
	known              []action.Weakness // what there is to find
	r                  *remediation.Remediation
	hub                access.Scope
	began              time.Time
}

const (
	perMinistry = 50
	catalogue   = 4000
	centre      = ident.ID("org_00000000000000000000000000")
)

func idOf(kind ident.Prefix, n int) ident.ID { return ident.ID(fmt.Sprintf("%s_%026d", kind, n)) }

// plant makes the organisations and what there is to find, always the same.
func (c *country) plant() {
	r := rand.New(rand.NewPCG(1, 2))
	list := []org.Organisation{{ID: centre, Slug: "centre", Sector: "centre", Tenant: 1}}
	sectors := []string{"government", "health", "local", "energy", "finance", "telecom", "logistics"}
	for i := range c.orgs {
		m := idOf(ident.Org, 1_000_000+i/perMinistry)
		if i%perMinistry == 0 {
			c.ministries = append(c.ministries, m)
			list = append(list, org.Organisation{ID: m, Parent: centre, Slug: fmt.Sprint("ministry-", i/perMinistry), Sector: "government", Tenant: uint32(1_000_000 + i)})
		}
		o := idOf(ident.Org, 1+i)
		c.members = append(c.members, o)
		list = append(list, org.Organisation{ID: o, Parent: m, Slug: fmt.Sprint("member-", i), Sector: sectors[i%len(sectors)], Tenant: uint32(2 + i)})
	}
	c.tree = org.NewTree(list)
	c.hub = access.Hub(c.tree, "bench")
	products := []string{"Apache HTTP Server", "OpenSSL", "nginx", "OpenSSH", "PostgreSQL", "Samba", "Log4j", "WordPress", "FortiOS", "Exim", "BIND", "Tomcat"}
	flaws := []string{"buffer overflow", "path traversal", "cross-site scripting", "authentication bypass", "denial of service", "information leak"}
	for i := range catalogue {
		p, x := products[i%len(products)], flaws[r.IntN(len(flaws))]
		w := action.Weakness{Name: fmt.Sprintf("CVE-%d-%d", 2018+i%8, 10_000+i), Title: fmt.Sprintf("%s: %s in module %d", p, x, i), TitleJA: fmt.Sprintf("%s のモジュール %d に弱点(%s)", p, i, x),
			Level: action.Levels[min(3, r.IntN(3)+r.IntN(2))], Fix: fmt.Sprintf("Update %s to version %d.%d or later.", p, r.IntN(9), r.IntN(30)), FixJA: fmt.Sprintf("%s を更新してください。", p),
			Reference: fmt.Sprintf("https://nvd.example/vuln/CVE-%d-%d", 2018+i%8, 10_000+i), Check: []string{"tls", "web", "ssh", "product"}[i%4]}
		w.Threat = action.Threat{KEV: r.IntN(25) == 0, EPSS: r.Float64() * r.Float64(), CVSS: 10 * r.Float64(), SSVC: []string{"track", "track", "track*", "attend", "act"}[r.IntN(5)], Why: "by exploitation, exposure and impact", WhyJA: "悪用・露出・影響による"}
		w.Threat.Ransomware = w.Threat.KEV && r.IntN(4) == 0
		c.known = append(c.known, w)
	}
	c.began = time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
}

// survey is what a source sees at an organisation on a day: day 0 is the fill, on
// each day after it one weakness in fifty is gone and one in a hundred is another.
// It is the same in every run of a day, so that a fill that was interrupted goes on.
func (c *country) survey(i int, src action.Source, day int) action.Survey {
	r := rand.New(rand.NewPCG(uint64(i), 3))
	at := c.began.Add(-time.Duration(r.IntN(100*24)) * time.Hour)
	if day > 0 {
		at = c.began.Add(time.Duration(day)*time.Hour + time.Duration(i)*time.Second)
	}
	v := action.Survey{ID: idOf(ident.Survey, 10_000*day+2*i+slices.Index(action.Sources, src)), Source: src, Org: c.members[i], Realm: label.Real, Began: at, Ended: at, By: "bench",
		Coverage: action.Coverage{Checks: []string{"tls", "web", "ssh", "product"}}}
	for a := range c.assets {
		asset := action.Asset{Kind: "host", Key: fmt.Sprintf("10.%d.%d.%d", i/250, i%250, a), Name: fmt.Sprintf("host%d.member-%d.example.jp", a, i), Exposed: r.IntN(3) == 0, Importance: []string{"low", "medium", "high"}[r.IntN(3)]}
		mine := action.BySurface
		if r.IntN(5) < 2 {
			mine, asset.Kind = action.BySBOM, "system"
		}
		v.Coverage.Assets = append(v.Coverage.Assets, asset.Key)
		for range c.each {
			w := c.known[r.IntN(len(c.known))]
			port, owned, change := 20+r.IntN(9000), r.IntN(10) > 0, r.IntN(100)
			if mine != src || day > 0 && change/2 == day-1 {
				continue
			}
			if day > 0 && change == 50+day {
				w = c.known[(i+a+day)%len(c.known)]
			}
			w.Asset, w.Place = asset, fmt.Sprint("tcp/", port)
			w.Evidence = []action.Evidence{{At: at, Text: fmt.Sprintf("answered on port %d as version 1.%d", port, port%7)}}
			if owned {
				w.Org = v.Org
			}
			v.Weaknesses = append(v.Weaknesses, w)
		}
	}
	return v
}

func (c *country) count(ctx context.Context) (n int64, err error) {
	counts, err := c.r.Counts(ctx, c.hub, "", label.Real)
	for _, k := range counts {
		n += k
	}
	return n, err
}
