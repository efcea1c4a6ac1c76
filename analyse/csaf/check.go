package csaf

import (
	"fmt"
	"slices"
	"strings"

	"noroshi/analyse/affected/version"
	"noroshi/analyse/cvss"
)

// head checks what every document must say of itself.
func (r *reader) head() error {
	d := r.in.Document
	for place, text := range map[string]string{
		"category": d.Category, "title": d.Title, "publisher/name": d.Publisher.Name, "publisher/namespace": d.Publisher.Namespace,
		"publisher/category": d.Publisher.Category, "tracking/id": d.Tracking.ID, "tracking/version": d.Tracking.Version,
	} {
		if text == "" {
			return wrong("/document/"+place, "it is missing")
		}
	}
	switch {
	case d.Version != "2.0":
		return wrong("/document/csaf_version", "%q is not read, only 2.0", d.Version)
	case d.Tracking.Status != "draft" && d.Tracking.Status != "interim" && d.Tracking.Status != "final":
		return wrong("/document/tracking/status", "%q is not draft, interim or final", d.Tracking.Status)
	case d.Tracking.Current.IsZero() || d.Tracking.Initial.IsZero():
		return wrong("/document/tracking", "current_release_date and initial_release_date are needed")
	case len(d.Tracking.Revision) == 0:
		return wrong("/document/tracking/revision_history", "it is missing")
	}
	return nil
}

// semver orders the versions of documents: whole numbers or SemVer.
var semver, _ = version.Of("npm")

// history checks that versions and dates of the document agree: which of two is
// newer is decided by them.
func (r *reader) history() error {
	const place = "/document/tracking/revision_history"
	t := r.in.Document.Tracking
	list := slices.Clone(t.Revision)
	slices.SortStableFunc(list, func(a, b revision) int {
		c := a.Date.Compare(b.Date)
		if c == 0 && semver.Valid(a.Number) && semver.Valid(b.Number) {
			c = semver.Compare(a.Number, b.Number)
		}
		return c
	})
	seen := map[string]bool{}
	for i, x := range list {
		major, pre := number(x.Number)
		switch {
		case !semver.Valid(x.Number) || !semver.Valid(t.Version):
			return wrong(place, "%q is neither a whole number nor a semantic version", x.Number)
		case seen[x.Number]:
			return wrong(place, "the version %s stands there twice", x.Number)
		case i > 0 && semver.Compare(list[i-1].Number, x.Number) > 0:
			return wrong(place, "by their dates, %s comes after %s", x.Number, list[i-1].Number)
		case t.Status != "draft" && (major == "0" || pre):
			return wrong(place, "the document is %s, but %s is the version of a draft", t.Status, x.Number)
		case i == 0 && major != "0" && major != "1" || i > 0 && gap(list[i-1].Number, major):
			return wrong(place, "a version before %s is missing", x.Number)
		}
		seen[x.Number] = true
	}
	major, pre := number(t.Version)
	last := list[len(list)-1].Number
	if strip(last, t.Status) != strip(t.Version, t.Status) {
		return wrong("/document/tracking/version", "it is %s, but the last of the history is %s", t.Version, last)
	}
	if t.Status != "draft" && (major == "0" || pre) {
		return wrong("/document/tracking", "the document is %s, but %s is the version of a draft", t.Status, t.Version)
	}
	return nil
}

// number returns the first part of a version, and whether it is a pre-release.
func number(v string) (major string, pre bool) {
	v, _, _ = strings.Cut(v, "+")
	v, _, pre = strings.Cut(v, "-")
	major, _, _ = strings.Cut(v, ".")
	return major, pre
}

// gap says whether a major version between two is left out.
func gap(before, major string) bool {
	var a, b int
	m, _ := number(before)
	_, err1 := fmt.Sscan(m, &a)
	_, err2 := fmt.Sscan(major, &b)
	return err1 == nil && err2 == nil && b > a+1
}

// strip takes off what is not compared: the build, and of a draft the
// pre-release.
func strip(v, status string) string {
	v, _, _ = strings.Cut(v, "+")
	if status == "draft" {
		v, _, _ = strings.Cut(v, "-")
	}
	return v
}

// rangeLike says whether a name is a range rather than one version.
func rangeLike(s string) bool {
	s = strings.ToLower(s)
	if strings.HasPrefix(s, "vers:") || strings.ContainsAny(s, "<>") {
		return true
	}
	for _, word := range strings.Fields(s) {
		switch word {
		case "after", "all", "before", "earlier", "later", "prior", "versions":
			return true
		}
	}
	return false
}

// classes are the statuses that exclude each other.
var classes = [][]Status{
	{FirstAffected, KnownAffected, LastAffected},
	{KnownNotAffected},
	{FirstFixed, Fixed},
	{UnderInvestigation},
}

// vulnerabilities checks and takes what is said of each weakness.
func (r *reader) vulnerabilities() error {
	cves := map[string]bool{}
	for i := range r.in.Vulnerabilities {
		v, place := &r.in.Vulnerabilities[i], fmt.Sprintf("/vulnerabilities[%d]", i)
		if v.CVE != "" {
			if cves[v.CVE] {
				return wrong(place+"/cve", "%s stands there twice", v.CVE)
			}
			cves[v.CVE] = true
		}
		out := Vulnerability{CVE: v.CVE, Title: v.Title, Status: v.Status}
		for _, id := range v.IDs {
			out.IDs = append(out.IDs, id.Text)
		}
		for _, step := range []func(string, *vulnerability, *Vulnerability) error{r.statuses, r.scores, r.said} {
			if err := step(place, v, &out); err != nil {
				return err
			}
		}
		r.out.Vulnerabilities = append(r.out.Vulnerabilities, out)
	}
	return nil
}

// statuses checks that no product has two that exclude each other.
func (r *reader) statuses(place string, v *vulnerability, _ *Vulnerability) error {
	place += "/product_status"
	class := map[string]int{}
	for i, list := range classes {
		for _, s := range list {
			for _, id := range v.Status[s] {
				if at, other := class[id]; other && at != i {
					return wrong(place, "the product %q has two statuses that exclude each other", id)
				}
				class[id] = i
			}
		}
	}
	for s, ids := range v.Status {
		if err := r.known(place+"/"+string(s), ids...); err != nil {
			return err
		}
	}
	return nil
}

// scores checks vectors against the numbers beside them.
func (r *reader) scores(place string, v *vulnerability, out *Vulnerability) error {
	scored := map[string]bool{}
	for i, s := range v.Scores {
		place := fmt.Sprintf("%s/scores[%d]", place, i)
		if err := r.known(place, s.Products...); err != nil {
			return err
		}
		if s.V3 == nil {
			continue // CVSS 2 answers nothing that is asked here.
		}
		x, err := cvss.Parse(s.V3.Vector)
		switch {
		case err != nil:
			return wrong(place+"/cvss_v3/vectorString", "%.100q is no CVSS vector", s.V3.Vector)
		case x.Version != s.V3.Version:
			return wrong(place+"/cvss_v3/version", "the vector is of version %s, not %q", x.Version, s.V3.Version)
		case s.V3.Severity == "":
			return wrong(place+"/cvss_v3/baseSeverity", "it is missing")
		case x.Score != s.V3.BaseScore:
			return wrong(place+"/cvss_v3/baseScore", "the vector has the score %.1f, not %v", x.Score, s.V3.BaseScore)
		}
		for _, id := range s.Products {
			if key := x.Version + "\n" + id; scored[key] {
				return wrong(place, "the product %q has two scores of CVSS %s", id, x.Version)
			} else {
				scored[key] = true
			}
		}
		if !slices.Contains(out.Vectors, x.Text) && len(out.Vectors) < 8 {
			out.Vectors = append(out.Vectors, x.Text)
		}
	}
	return nil
}

// said takes flags, threats and remediations.
func (r *reader) said(place string, v *vulnerability, out *Vulnerability) error {
	justified := map[string]bool{}
	for i, x := range v.Flags {
		place := fmt.Sprintf("%s/flags[%d]", place, i)
		ids, err := r.products(place, x)
		switch {
		case err != nil:
			return err
		case len(ids) == 0:
			return wrong(place, "a flag needs product_ids or group_ids")
		}
		for _, id := range ids {
			if justified[id] && slices.Contains(justifications, x.Label) {
				return wrong(place, "the product %q has two justifications", id)
			}
			justified[id] = justified[id] || slices.Contains(justifications, x.Label)
		}
		out.Flags = append(out.Flags, Flag{x.Label, ids})
	}
	for i, x := range v.Threats {
		ids, err := r.products(fmt.Sprintf("%s/threats[%d]", place, i), x)
		if err != nil {
			return err
		}
		if x.Category == "impact" {
			out.Impacts = append(out.Impacts, Note{x.Category, clip(x.Details), ids})
		}
	}
	for i, x := range v.Remediations {
		place := fmt.Sprintf("%s/remediations[%d]", place, i)
		ids, err := r.products(place, x)
		switch {
		case err != nil:
			return err
		case len(ids) == 0:
			return wrong(place, "a remediation needs product_ids or group_ids")
		}
		out.Remedy = append(out.Remedy, Note{x.Category, clip(x.Details), ids})
	}
	return nil
}

// products resolves the products and groups that something is about.
func (r *reader) products(place string, x about) ([]string, error) {
	ids := slices.Clone(x.Products)
	for _, g := range x.Groups {
		list, ok := r.groups[g]
		if !ok {
			return nil, wrong(place, "the group %q is defined nowhere", g)
		}
		ids = append(ids, list...)
	}
	return ids, r.known(place, ids...)
}

func clip(s string) string {
	if len(s) > maxTexts {
		return strings.ToValidUTF8(s[:maxTexts], "") + "…"
	}
	return s
}
