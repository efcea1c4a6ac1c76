-- +goose Up
-- durable = 0 is an entry that was not pushed yet.
CREATE INDEX feed_entry_unpushed ON feed_entry (feed, seq) WHERE durable = 0;
-- The spans of edges that caught up, which lie over many entries.
CREATE INDEX edge_ack_span_long ON edge_ack_span (feed, seq) WHERE seq - after_seq > 400;
-- The slowest edge of each organisation for each entry.
CREATE TABLE feed_clock (
  feed TEXT NOT NULL, seq BIGINT NOT NULL, org TEXT NOT NULL,
  received BIGINT NOT NULL, enforced BIGINT NOT NULL, acked BIGINT NOT NULL,
  PRIMARY KEY (feed, seq, org)
);
