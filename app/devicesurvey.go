package app

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/analyse/exposure"
	"noroshi/analyse/iot"
	"noroshi/label"
	"noroshi/service"
	"noroshi/share/notice"
)

// deviceSurveys makes surveys of devices of what the hub's scanners see.
type deviceSurveys struct {
	h     *hub
	rules *iot.Rules
}

func (d deviceSurveys) Begin() exposure.DeviceSurvey { return &deviceSurvey{deviceSurveys: d} }

// deviceSurvey is one of them on its way.
type deviceSurvey struct {
	deviceSurveys
	weak   []action.Weakness
	found  []notice.Device
	others []notice.Device // of which nothing weak was seen
}

// Judge takes all ports of a device that was recognised. Of any other machine it
// takes those alone that show what no device should.
func (v *deviceSurvey) Judge(host []service.Port, seen func(string) bool) (places []string) {
	recognised := false
	for _, j := range v.rules.Judge(host) {
		recognised = recognised || len(j.Device.Signs) > 0
		told := len(places)
		for _, w := range j.Weaknesses {
			if seen(w.Place) {
				v.weak = append(v.weak, w)
				places = append(places, w.Place)
			}
		}
		to := &v.found
		if len(places) == told {
			to = &v.others
		}
		*to = append(*to, device(v.rules, j.Device))
	}
	for _, p := range host {
		if recognised && seen(p.Place()) && !slices.Contains(places, p.Place()) {
			places = append(places, p.Place())
		}
	}
	return places
}

// Take hands a survey to those who keep notices, who tell those who keep actions.
// Weaknesses over their bound are left out, and then the survey proves nothing: what
// is left out would look as if it were gone.
func (v *deviceSurvey) Take(ctx context.Context, s access.Scope, a action.Survey, until time.Time) error {
	a.Coverage.Checks, a.Weaknesses = []string{iot.CheckFirmware, iot.CheckExposed}, v.weak
	r := notice.Report{Survey: a, Devices: append(v.found, v.others...), Until: until}
	r.Devices = r.Devices[:min(len(r.Devices), notice.MaxWeak)]
	if len(v.weak) > notice.MaxWeak {
		r.Survey.Coverage, r.Survey.Weaknesses = action.Coverage{Checks: a.Coverage.Checks}, v.weak[:notice.MaxWeak]
	}
	_, err := v.h.notices.Take(ctx, s, r)
	return err
}

// wishes lists what a scanner is to look at again: where owners of devices ask,
// and what is said to be mended.
func (h *hub) wishes(ctx context.Context) (list []exposure.Wish, err error) {
	s := access.Hub(h.orgs.Current(), "exposure")
	looks, err := h.notices.Looks(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, l := range looks {
		if l.Realm != label.Real {
			continue // A scanner meets the real network; an exercise has its own survey.
		}
		for _, p := range l.Places {
			list = append(list, exposure.Wish{Address: l.Address, Place: p, Provider: l.Org, At: l.AskedAt})
		}
	}
	for _, source := range []action.Source{action.BySurface, action.ByIoT} {
		claimed, err := h.actions.Recheck(ctx, s, source, maxClaims)
		if err != nil {
			return nil, err
		}
		for _, a := range claimed {
			address, err := netip.ParseAddr(a.Weakness.Asset.Key)
			if err != nil || a.State != action.Claimed {
				continue
			}
			w := exposure.Wish{Address: address, Place: a.Weakness.Place}
			if source == action.ByIoT {
				w.Provider = a.Org
			}
			list = append(list, w)
		}
	}
	return list, nil
}
