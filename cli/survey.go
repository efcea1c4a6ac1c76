package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
)

// maxSurvey is how large a file may be that is handed in, as the API takes it.
const maxSurvey = 32 << 20

// submitSurvey hands in a survey from a file, or from standard input (-).
func submitSurvey(ctx context.Context, c *actionCommand, args []string) error {
	slug := c.fs.String("org", "", "the organisation of the survey, by its short name, if the file names none")
	name := ""
	if len(args) > 0 && (args[0] == "-" || !strings.HasPrefix(args[0], "-")) {
		name, args = args[0], args[1:]
	}
	hub, err := c.hub(ctx, args)
	if err != nil {
		return err
	}
	if name == "" {
		return fault.New(fault.Invalid, opAction, "say what to hand in: noroshi action submit FILE, or - for standard input")
	}
	v, err := readSurvey(c.env.in, name)
	if err != nil {
		return err
	}
	if v.Org == "" {
		if v.Org, err = bySlug(ctx, hub, *slug); err != nil {
			return err
		}
	}
	var out action.Outcome
	if err := hub.Post(ctx, "/api/v1/surveys", v, &out); err != nil {
		return err
	}
	if done, err := c.print(out); done {
		return err
	}
	if out.Repeated {
		fmt.Fprintln(c.env.err, c.in("This survey had been handed in before; nothing changed.", "この調査は既に提出されています。変更はありません。"))
	}
	fmt.Fprintf(c.env.out, c.in("%s: %d new, %d seen again (%d reopened, %d claimed and still there, %d decided to be none), %d proved, %d silent, %d passed over\n",
		"%s: 新規 %d、再確認 %d(再発 %d、対応済みだが残存 %d、影響なしと判断 %d)、解消確認 %d、応答なし %d、対象外 %d\n"), out.Survey, out.New, out.Seen, out.Reopened, out.Denied, out.Refuted, out.Proved, out.Silent, out.Skipped)
	return nil
}

// readSurvey reads a survey. One without an identifier gets one that its content
// makes: the same file again is the same survey.
func readSurvey(stdin io.Reader, name string) (v action.Survey, err error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return v, fault.As(fault.NotFound, opAction, err, "%s cannot be read: %v", name, err)
		}
		defer func() { _ = f.Close() }()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxSurvey+1))
	if err != nil {
		return v, fault.As(fault.Unavailable, opAction, err, "%s cannot be read: %v", name, err)
	}
	if len(b) > maxSurvey {
		return v, fault.New(fault.TooLarge, opAction, "a survey has at most %d MiB; hand in several", maxSurvey>>20).At("%s", name)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, fault.As(fault.Invalid, opAction, err, "not a survey: %v", err).At("%s", name)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, fault.New(fault.Invalid, opAction, "something stands behind the survey").At("%s", name)
	}
	if v.ID == "" {
		sum := sha256.Sum256(b)
		v.ID = ident.Maker{Now: func() time.Time { return v.Ended }, Rand: bytes.NewReader(sum[:])}.New(ident.Survey)
	}
	return v, nil
}
