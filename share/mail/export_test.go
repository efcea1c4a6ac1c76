package mail

import (
	"context"
	"time"
)

// Hand gives a relay one letter.
func Hand(ctx context.Context, r Relay, from, to string, content []byte) error {
	return r.send(ctx, from, to, content)
}

// Compose writes a message.
func Compose(subject, name, text string, files ...File) []byte {
	return message{ID: "ltr_1@example.jp", From: "noroshi@example.jp", FromName: name, To: "a@example.jp", Reply: "help@example.jp", Subject: subject, Lang: "ja", Text: text, At: time.Unix(0, 0).UTC(), Files: files}.bytes()
}
