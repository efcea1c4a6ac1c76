package remediation

import (
	"context"
	"strings"

	"noroshi/ledger"
)

// maxTopics is how many topics of a text are looked through one by one; a text
// that is in more is nowhere rare.
var maxTopics = 200

// findTopics lists the topics that hold a text. There are as many topics as there
// are different weaknesses, not actions, and they are read through once for a page.
func (w *walk) findTopics(ctx context.Context, q ledger.Queryer) (list []int64, err error) {
	if w.text == "" {
		return nil, nil
	}
	rows, err := q.Query(ctx, `SELECT id FROM action_topic WHERE search LIKE ? ESCAPE '\'`, ledger.Like(w.text))
	err = ledger.Each(rows, err, func(sc func(...any) error) error {
		var id int64
		err := sc(&id)
		list = append(list, id)
		return err
	})
	return list, err
}

// common makes along look for a text that is in many topics by what stands in each
// action: every question would read through the topics again.
func (w *walk) common(topics []int64) {
	w.topics = make(map[int64]bool, len(topics))
	for _, t := range topics {
		w.topics[t] = true
	}
}

// holds tells that an action that is walked past fits the text.
func (w *walk) holds(topic int64, key, name string) bool {
	return w.topics == nil || w.topics[topic] || strings.HasPrefix(key, w.text) || strings.HasPrefix(name, w.text)
}

// last stands behind every character, so that what begins with a text lies
// between the text and the text with it.
const last = "\U0010FFFF"

// textCondition is what makes an action fit a text. The columns are written so
// that no index of theirs is used: it is asked of actions met in another order.
func textCondition(text string, topics []int64) piece {
	p := piece{}.and(`asset_key || '' >= ? AND asset_key || '' < ? OR asset_name || '' >= ? AND asset_name || '' < ?`, text, text+last, text, text+last)
	switch {
	case len(topics) > maxTopics:
		p = p.and(`topic + 0 IN (SELECT id FROM action_topic WHERE search LIKE ? ESCAPE '\')`, ledger.Like(text))
	case len(topics) > 0:
		p = p.with(in("topic + 0", topics))
	}
	return piece{}.and("("+strings.Join(p.where, " OR ")+")", p.args...)
}

// perAsset are the pieces in which assets begin with the text.
func (w *walk) perAsset() []piece {
	rest := in("tab || ''", w.tabs)
	return []piece{piece{}.and("asset_key >= ? AND asset_key < ?", w.text, w.text+last).with(rest),
		piece{}.and("asset_name <> '' AND asset_name >= ? AND asset_name < ?", w.text, w.text+last).with(rest)}
}

// perTopic are the pieces of topics, each sorted by date.
func (w *walk) perTopic(topics []int64) (list []piece) {
	for _, t := range topics {
		for _, p := range w.perTab() {
			list = append(list, piece{}.and("topic = ?", t).with(p))
		}
	}
	return list
}
