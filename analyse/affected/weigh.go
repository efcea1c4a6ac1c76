package affected

import (
	"time"

	"noroshi/analyse/cvss"
	"noroshi/analyse/exploited"
	"noroshi/analyse/ssvc"
	"noroshi/analyse/vex"
	"noroshi/bom"
)

// Place is what a system's owner and the view from outside say of it.
type Place struct {
	Exposure   ssvc.Exposure
	Importance string // low, medium, high; "" when nobody said
}

// Weigh adds to the hits of a system what is known of attacks on each weakness,
// and how soon it must be dealt with there.
func (r *Result) Weigh(known *exploited.Known, at Place) {
	answers := map[*Weakness]*ssvc.Answer{}
	for i := range r.Hits {
		h := &r.Hits[i]
		if h.Priority = answers[h.Weakness]; h.Priority == nil {
			a := h.judge(known, at)
			h.Priority, answers[h.Weakness] = &a, &a
		}
	}
}

// Decide adds to the hits of a system what was decided about them. The decision
// is the caller's to follow: a hit stays a hit, with the reason beside it.
func (r *Result) Decide(d *vex.Decisions) {
	for i := range r.Hits {
		if decision, ok := r.Hits[i].Decided(d, r.Product()); ok {
			r.Hits[i].Decision = &decision
		}
	}
}

// Decided is what was decided about a hit in a system.
func (h Hit) Decided(d *vex.Decisions, system vex.Product) (vex.Decision, bool) {
	return d.Of(vex.Hit{Names: h.Names, Component: h.Package(), System: system})
}

// Statements are what is decided about the hits of a system. One about which
// nothing is decided is under investigation since a moment.
func Statements(hits []Hit, at time.Time) (list []vex.Statement) {
	for _, h := range hits {
		s := vex.Statement{Weakness: h.Names, Product: vex.Product{PURL: h.Package()}, Status: vex.UnderInvestigation, At: at}
		if x := h.Decision; x != nil {
			s.Status, s.Justification, s.Why, s.Action, s.At = x.Status, x.Justification, x.Why, x.Action, x.At
		}
		list = append(list, s)
	}
	return list
}

// Product is the system as decisions name it.
func (r *Result) Product() vex.Product {
	return vex.Product{PURL: r.in.systems[r.system].purl, Name: r.System, Version: r.Version}
}

// Silent tells whether somebody decided that nothing need be done.
func (h Hit) Silent() bool { return h.Decision != nil && h.Decision.Silent() }

// Package is the package URL of the component.
func (h Hit) Package() bom.PURL { return h.release().component }

func (h Hit) release() *release {
	return &h.in.releases[h.in.systems[h.use.system].release[h.use.component]]
}

// Judge says how soon a hit must be dealt with.
func (h Hit) Judge(known *exploited.Known, at Place) ssvc.Answer { return h.judge(known, at) }

// weigh adds what is known of attacks and how bad it is, once.
func (w *Weakness) weigh(known *exploited.Known) {
	if w.weighed {
		return
	}
	w.weighed = true
	if t := known.Of(w.Names...); t.KEV != nil || t.EPSS > 0 {
		w.Threat = &t
	}
	for _, s := range w.Vectors {
		if v, err := cvss.Parse(s); err == nil && (w.vector.Version == "" || v.Score > w.Score) {
			w.vector, w.Score = v, v.Score
		}
	}
}

// judge asks the tree. A vector that is none counts as no vector: the advisory is
// right in the rest.
func (w *Weakness) judge(known *exploited.Known, at Place) ssvc.Answer {
	w.weigh(known)
	f := ssvc.Facts{Vector: w.vector, Exposure: at.Exposure, Importance: at.Importance}
	if w.Threat != nil {
		f.EPSS = w.Threat.EPSS
		if k := w.Threat.KEV; k != nil {
			f.KEV, f.KEVAdded, f.Ransomware = true, k.Added, k.Ransomware
		}
	}
	return ssvc.Judge(f)
}
