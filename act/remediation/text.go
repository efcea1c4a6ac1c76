package remediation

import (
	"context"
	"strings"

	"noroshi/ledger"
)

// maxTopics is how many topics of a text are counted; a text that is in more is
// nowhere rare.
var maxTopics = 200

// maxNamed is how many topics the engine is told to look for. It does so in the
// index, and hands over only what fits.
const maxNamed = 1000

// findText finds those whose asset begins with the text, if they are rare, and all
// if those that are about it are rare, too: then it is done. Else rest chooses what
// is still to be found in another order, or w.topics and w.named do.
func (w *walk) findText(ctx context.Context, q ledger.Queryer) (rest piece, done bool, err error) {
	topics, err := w.findTopics(ctx, q)
	if err != nil {
		return rest, false, err
	}
	w.named = true
	if !w.asked {
		found, err := w.collect(ctx, q, w.perAsset()...)
		if err != nil {
			return rest, false, err
		}
		w.named = !found
	}
	switch {
	case w.named || len(topics) > maxNamed:
		w.topics = make(map[int64]bool, len(topics))
		for _, t := range topics {
			w.topics[t] = true
		}
		return rest, false, nil
	case len(topics) == 0:
		return rest, true, nil
	}
	if len(topics) <= maxTopics {
		done, err = w.collect(ctx, q, in("topic", topics).with(in("tab", w.tabs)))
		if pieces := w.perTopic(topics); err == nil && !done && w.sort == ByDue && len(pieces) <= manyPieces {
			done, err = true, w.each(ctx, q, pieces, w.filters())
		}
	}
	return in("topic + 0", topics), done, err
}

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

// holds tells that an action that is walked past fits the text.
func (w *walk) holds(topic int64, key, name string) bool {
	return w.topics == nil || w.topics[topic] || w.named && (strings.HasPrefix(key, w.text) || strings.HasPrefix(name, w.text))
}

// last stands behind every character, so that what begins with a text lies
// between the text and the text with it.
const last = "\U0010FFFF"

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
