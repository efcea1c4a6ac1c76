// Package fault is the project's vocabulary of errors. An error that leaves a
// package says what happened (Public), where (Op, Place) and of which kind it
// is; the kind decides the HTTP status and the exit code, the public message is
// what a person reads. It is not a logger: errors are returned, and logged once
// at the top. Every package of the project may use it.
package fault

import (
	"errors"
	"fmt"
)

// Kind is the class of an error. The zero value is Internal, so that an error
// nobody classified is never mistaken for the caller's fault.
type Kind uint8

// The kinds, from "ours" to "yours".
const (
	Internal        Kind = iota // a fault of the program
	Unavailable                 // a part is away; trying again later may work
	Exhausted                   // a limit, a quota or the disk is used up
	Conflict                    // the record changed meanwhile, or exists
	NotFound                    // no such record, or not for this reader
	Denied                      // known, but not allowed
	Unauthenticated             // not known
	Invalid                     // the input is wrong
	TooLarge                    // the input is over a limit
)

var names = [...]string{"internal", "unavailable", "exhausted", "conflict", "not_found", "denied", "unauthenticated", "invalid", "too_large"}

// String returns the kind's name as it stands in logs and in RFC 9457 problems.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return "internal"
}

// Error is one error with its kind. Op is the operation ("bus.publish"); Place
// is where in the input ("line 12, key listen"); Public is a sentence for a
// person; Err is the cause, for the operator only.
type Error struct {
	Op     string
	Kind   Kind
	Place  string
	Public string
	Err    error
}

// Error returns the whole story, for logs.
func (e *Error) Error() string {
	s := e.Op
	if e.Place != "" {
		s += ": " + e.Place
	}
	if e.Public != "" {
		s += ": " + e.Public
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error of a kind with a public message.
func New(kind Kind, op, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Public: fmt.Sprintf(format, args...)}
}

// Wrap adds the operation to err, keeping its kind and its public message. It
// returns nil for nil.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Kind: KindOf(err), Err: err}
}

// As gives err a kind and a public message.
func As(kind Kind, op string, err error, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Public: fmt.Sprintf(format, args...), Err: err}
}

// At returns a copy of e that names the place in the input.
func (e *Error) At(format string, args ...any) *Error {
	c := *e
	c.Place = fmt.Sprintf(format, args...)
	return &c
}

// KindOf returns the kind of the first Error in err's chain, else Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// PublicOf returns the outermost public message in err's chain, with its place.
func PublicOf(err error) string {
	for e := err; e != nil; {
		var f *Error
		if !errors.As(e, &f) {
			break
		}
		if f.Public != "" {
			if f.Place != "" {
				return f.Place + ": " + f.Public
			}
			return f.Public
		}
		e = f.Err
	}
	return "something went wrong inside; the operator's log has the details"
}

// ExitCode maps a kind to a process exit code: 2 for wrong input, 3 for
// refused, 4 for not there, 1 for the rest.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	switch KindOf(err) {
	case Invalid, TooLarge:
		return 2
	case Denied, Unauthenticated:
		return 3
	case NotFound, Unavailable:
		return 4
	}
	return 1
}
