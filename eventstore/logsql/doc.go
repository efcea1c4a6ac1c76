// Package logsql is what the engines that speak LogsQL share: how an event
// becomes a row, and what a reader's query may say. It opens no store; the
// drivers eventstore/victorialogs and eventstore/vlhttp use it.
package logsql
