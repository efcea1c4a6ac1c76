package sqlite

import (
	"container/list"
	"context"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
)

// How many statements a connection keeps prepared, and how long their text may be.
const (
	maxKept = 128
	maxText = 16 << 10
)

// connector opens connections that keep the statements they have prepared. To
// read a statement's text costs more than to run it when it finds a row by a key,
// and a page is made of many of those. database/sql keeps statements only for
// whoever names each of them, and a transaction has to have one connection.
type connector struct{ driver.Connector }

func newConnector(dsn string) (driver.Connector, error) {
	c, err := sqlite.NewConnector(dsn)
	return connector{c}, err
}

// engine is what a connection of SQLite can do.
type engine interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	x, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{x.(engine), map[string]*list.Element{}, list.New()}, nil
}

// conn is one connection. Like any of database/sql's it is used by one goroutine
// at a time.
type conn struct {
	engine
	at   map[string]*list.Element
	kept *list.List // of *prepared, the last used first
}

type prepared struct {
	text string
	driver.Stmt
}

// take hands out a statement, which nobody else has until it is given back: while
// its rows are read the same text is prepared a second time.
func (c *conn) take(ctx context.Context, text string) (*prepared, error) {
	if e := c.at[text]; e != nil {
		delete(c.at, text)
		return c.kept.Remove(e).(*prepared), nil
	}
	s, err := c.PrepareContext(ctx, text)
	return &prepared{text, s}, err
}

// giveBack keeps a statement for the next who asks for it.
func (c *conn) giveBack(s *prepared) error {
	if c.at[s.text] != nil || len(s.text) > maxText {
		return s.Close()
	}
	c.at[s.text] = c.kept.PushFront(s)
	if c.kept.Len() <= maxKept {
		return nil
	}
	old := c.kept.Remove(c.kept.Back()).(*prepared)
	delete(c.at, old.text)
	return old.Close()
}

func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	r, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	if err != nil { // What failed is not used again.
		return nil, errors.Join(err, s.Close())
	}
	return r, c.giveBack(s)
}

func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	r, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &rows{r, c, s}, nil
}

// Close ends the connection and what it kept.
func (c *conn) Close() error {
	var all error
	for e := c.kept.Front(); e != nil; e = e.Next() {
		all = errors.Join(all, e.Value.(*prepared).Close())
	}
	c.kept.Init()
	clear(c.at)
	return errors.Join(all, c.engine.Close())
}

// rows are the answer of a statement, which is free again when they are closed.
type rows struct {
	driver.Rows
	conn *conn
	of   *prepared
}

func (r *rows) Close() error {
	if err := r.Rows.Close(); err != nil {
		return errors.Join(err, r.of.Close())
	}
	return r.conn.giveBack(r.of)
}
