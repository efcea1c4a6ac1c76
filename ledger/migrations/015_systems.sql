-- +goose Up
-- Systems, by what they are made of. The body is the record; changed is the number
-- of its last change, matched the sum of what the last survey said of it.
CREATE TABLE system (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, importance TEXT NOT NULL, search TEXT NOT NULL,
  changed BIGINT NOT NULL, matched BIGINT NOT NULL, version BIGINT NOT NULL, body TEXT NOT NULL,
  UNIQUE (org, name)
);
CREATE INDEX system_name ON system (name, id);
CREATE INDEX system_changed ON system (changed);
-- Feeds of advisories: what is believed of each, and what waits for a person.
CREATE TABLE advisory_feed (name TEXT PRIMARY KEY, changed BIGINT NOT NULL, waiting BIGINT NOT NULL, body TEXT NOT NULL);
