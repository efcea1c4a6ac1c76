-- +goose Up
CREATE TABLE feed (name TEXT PRIMARY KEY, seq BIGINT NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL);
CREATE TABLE feed_entry (
  feed TEXT NOT NULL, seq BIGINT NOT NULL, op TEXT NOT NULL, indicator TEXT NOT NULL, body TEXT NOT NULL,
  digest TEXT NOT NULL, durable BIGINT NOT NULL, PRIMARY KEY (feed, seq)
);
CREATE INDEX feed_entry_indicator ON feed_entry (indicator, seq);
CREATE TABLE feed_member (feed TEXT NOT NULL, indicator TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (feed, indicator));
CREATE INDEX feed_member_indicator ON feed_member (indicator);
CREATE TABLE edge_ack (
  node TEXT NOT NULL, feed TEXT NOT NULL, seq BIGINT NOT NULL, diverged INTEGER NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (node, feed)
);
CREATE TABLE edge_ack_span (
  feed TEXT NOT NULL, node TEXT NOT NULL, after_seq BIGINT NOT NULL, seq BIGINT NOT NULL,
  received BIGINT NOT NULL, enforced BIGINT NOT NULL, acked BIGINT NOT NULL,
  PRIMARY KEY (feed, seq, node)
);
