-- +goose Up
-- A name is kept a second time from its end, so that all names below one stand
-- next to each other. Times are microseconds.
CREATE TABLE passive_dns (
  org TEXT NOT NULL, name TEXT NOT NULL, reversed TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL,
  first BIGINT NOT NULL, last BIGINT NOT NULL, count BIGINT NOT NULL,
  PRIMARY KEY (org, name, type, data)
);
CREATE INDEX passive_dns_name ON passive_dns (name);
CREATE INDEX passive_dns_reversed ON passive_dns (reversed);
CREATE INDEX passive_dns_data ON passive_dns (data);
CREATE INDEX passive_dns_last ON passive_dns (last);
CREATE TABLE ingest_mark (name TEXT PRIMARY KEY, seq BIGINT NOT NULL);
