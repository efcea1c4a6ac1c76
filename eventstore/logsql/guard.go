package logsql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/eventstore"
	"noroshi/fault"
)

// pipes are what a reader's query may do with rows. Left out is what reads
// beyond the given span of time (stream_context), makes rows of nothing
// (generate_sequence), or tells of the engine instead of the events, which
// organisations share (block_stats, blocks_count, query_stats).
var pipes = set(`coalesce collapse_nums copy cp decolorize del delete drop drop_empty_fields extract extract_regexp eval facets
	field_names field_values fields filter first format hash head join json_array_concat json_array_len keep last len limit math mv offset
	order pack_json pack_logfmt rename replace replace_regexp rm running_stats sample skip sort split stats time_add top total_stats
	union uniq unpack_json unpack_logfmt unpack_syslog unpack_words unroll where`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// guard reads a reader's LogsQL and refuses what is not for readers. Tenants
// and the span of time are given outside the text, so that no text widens them.
func guard(text string, now time.Time) (*logstorage.Query, error) {
	const op = "logsql.guard"
	if text = strings.TrimSpace(text); text == "" {
		text = "*"
	}
	if len(text) > eventstore.MaxQuery {
		return nil, fault.New(fault.TooLarge, op, "the query is %d bytes; at most %d are allowed", len(text), eventstore.MaxQuery)
	}
	if !utf8.ValidString(text) {
		return nil, fault.New(fault.Invalid, op, "the query is not UTF-8 text")
	}
	if err := cheap(text); err != nil {
		return nil, err
	}
	q, err := parse(text, now)
	if err != nil {
		return nil, err
	}
	if err := inspect(q.String()); err != nil {
		return nil, err
	}
	return q, nil
}

// parse reads LogsQL as of a moment. A panic of the parser is the query's fault.
func parse(text string, now time.Time) (q *logstorage.Query, err error) {
	const op = "logsql.parse"
	defer func() {
		if r := recover(); r != nil {
			q, err = nil, fault.As(fault.Invalid, op, fmt.Errorf("%v", r), "the query cannot be read")
		}
	}()
	q, err = logstorage.ParseQueryAtTimestamp(text, now.UnixNano())
	if err != nil {
		words := err.Error()
		f := fault.As(fault.Invalid, op, err, "the query cannot be read: %s", Clip(strings.SplitN(words, "; context: [", 2)[0]))
		if at := position(text, words); at > 0 {
			return nil, f.At("character %d", at)
		}
		return nil, f
	}
	return q, nil
}

// maxWords is how much of the engine's words a reader sees.
const maxWords = 300

// Clip shortens an engine's words to what a reader sees of them.
func Clip(s string) string {
	if len(s) <= maxWords {
		return s
	}
	return strings.ToValidUTF8(s[:maxWords], "") + "…"
}

// position finds where the parser stopped, as a count of characters: it gives
// the last 50 bytes that it had read. It is 0 when these stand at two places.
func position(text, words string) int {
	_, rest, ok := strings.Cut(words, "context: [")
	if !ok {
		return 0
	}
	for n := min(50, len(rest)-1); n > 0; n-- {
		read := rest[:n]
		if rest[n] != ']' || !strings.Contains(text, read) {
			continue
		}
		at := strings.Index(text, read)
		if n < 50 { // Less was read than it would give, so this is the beginning.
			at = 0
		}
		if n == 50 && at != strings.LastIndex(text, read) {
			return 0
		}
		return utf8.RuneCountInString(text[:at+n])
	}
	return 0
}

var (
	quoted     = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	pipeName   = regexp.MustCompile(`\|\s*([^\s|()"]*)`)
	optionList = regexp.MustCompile(`(?i)\boptions\s*\(`)
	lateFilter = regexp.MustCompile(`\|\s*(?:filter|where)\b|\bif\s*\(`)
	uniqHits   = regexp.MustCompile(`^\|\s*uniq\b[^|]*\)\s*(?:with\s+)?hits\b`)
)

// inspect reads a query as the engine writes it again: words are lower case,
// and whatever might be mistaken for a word stands in double quotes.
func inspect(canonical string) error {
	const op = "logsql.inspect"
	bare := quoted.ReplaceAllString(canonical, `""`)
	if optionList.MatchString(bare) {
		return fault.New(fault.Invalid, op, "options(...) are not for readers; put the word into quotes to search for it")
	}
	if streamsLate(bare) {
		return fault.New(fault.Invalid, op, "a filter of streams, {...}, stands before the first pipe and in no if; name the field instead")
	}
	all := pipeName.FindAllStringSubmatchIndex(bare, -1)
	if len(all) > eventstore.MaxPipes {
		return fault.New(fault.TooLarge, op, "the query has %d pipes; at most %d are allowed", len(all), eventstore.MaxPipes)
	}
	for _, at := range all {
		if name := bare[at[2]:at[3]]; !pipes[name] {
			return fault.New(fault.Invalid, op, "the pipe %q is not for readers", Clip(name))
		}
		// In a subquery this makes the engine panic where nobody can recover.
		if inside := strings.Count(bare[:at[0]], "(") > strings.Count(bare[:at[0]], ")"); inside && uniqHits.MatchString(bare[at[0]:]) {
			return fault.New(fault.Invalid, op, "uniq cannot count hits in a subquery")
		}
	}
	return nil
}

// streamsLate tells whether a filter of streams stands where the stream's name,
// which readers do not get, would be needed to apply it: after a pipe that changes
// rows, or in an if. Before these, the index answers it, and the engine itself
// moves it there when it can.
func streamsLate(bare string) bool {
	for _, at := range lateFilter.FindAllStringIndex(bare, -1) {
		depth := strings.Count(bare[at[0]:at[1]], "(")
	walk:
		for _, c := range bare[at[1]:] {
			switch c {
			case '{':
				return true
			case '(':
				depth++
			case ')':
				if depth--; depth <= 0 {
					break walk
				}
			case '|':
				if depth == 0 {
					break walk
				}
			}
		}
	}
	return false
}

// quote writes any text as one LogsQL token.
func quote(s string) string { return strconv.Quote(s) }
