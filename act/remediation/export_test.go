package remediation

import (
	"noroshi/access"
	"noroshi/action"
)

// Rare sets from how many actions on a text or a filter is not rare any more.
func Rare(n int) (was int) {
	was, rare = rare, n
	return was
}

// Topics sets in how many topics a text is not rare any more.
func Topics(n int) (was int) {
	was, maxTopics = maxTopics, n
	return was
}

// Check looks at a survey as Take does, and cuts it into its steps.
func (r *Remediation) Check(s access.Scope, v *action.Survey) (int, error) {
	if err := r.check(s, v); err != nil {
		return 0, err
	}
	n := 0
	for _, x := range steps(v) {
		n += len(x.seen)
	}
	return n, nil
}
