package sigma

import (
	"encoding/base64"
	"regexp"
	"strings"
	"unicode/utf16"

	"noroshi/fault"
)

// encodings applies the encoding modifiers in order. The result is a list,
// because base64offset has three.
func encodings(s string, chain []string) []string {
	out := []string{s}
	for _, e := range chain {
		var next []string
		for _, x := range out {
			next = append(next, encode(x, e)...)
		}
		out = next
	}
	return out
}

func encode(s, how string) []string {
	switch how {
	case "wide", "utf16le":
		return []string{utf16Bytes(s, false)}
	case "utf16be":
		return []string{utf16Bytes(s, true)}
	case "utf16":
		return []string{"\xff\xfe" + utf16Bytes(s, false)}
	case "base64":
		return []string{base64.StdEncoding.EncodeToString([]byte(s))}
	}
	// base64offset: what is sure of the encoding at each of the three offsets.
	out := make([]string, 0, 3)
	for off := range 3 {
		enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", off) + s))
		from := []int{0, 2, 3}[off]
		to := len(enc) - []int{0, 3, 2}[(len(s)+off)%3]
		if from < to {
			out = append(out, enc[from:to])
		}
	}
	return out
}

func utf16Bytes(s string, big bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		first, second := byte(u), byte(u>>8)
		if big {
			first, second = second, first
		}
		b.WriteByte(first)
		b.WriteByte(second)
	}
	return b.String()
}

// Writings of the dash that begins an option: hyphen, slash, en dash, em dash,
// horizontal bar.
var dashes = []string{"-", "/", "–", "—", "―"}

// optionStart is a hyphen or a slash between a non-word and a word character.
var optionStart = regexp.MustCompile(`\B[-/]\b`)

const maxWritings = 5 * 5 * 5 * 5

// windash returns every way of writing the options of a value.
func windash(s string) ([]string, error) {
	at := optionStart.FindAllStringIndex(s, -1)
	out, end := []string{""}, 0
	for _, x := range at {
		var next []string
		for _, begun := range out {
			for _, d := range dashes {
				next = append(next, begun+s[end:x[0]]+d)
			}
		}
		if out, end = next, x[1]; len(out) > maxWritings {
			return nil, fault.New(fault.TooLarge, "sigma.windash", "windash makes more than %d writings of the value", maxWritings)
		}
	}
	for i := range out {
		out[i] += s[end:]
	}
	return out, nil
}
