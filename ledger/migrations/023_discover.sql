-- +goose Up
-- The records apart from what is asked for, so that looking through a hundred thousand
-- names reads names; and how many discoveries an organisation has: by state, and
-- by the day on which they were first seen, which is its number since 1970 as text.
CREATE TABLE discovery_body (id TEXT PRIMARY KEY, body TEXT NOT NULL);
INSERT INTO discovery_body SELECT id, body FROM discovery;
ALTER TABLE discovery RENAME TO discovery_whole;
CREATE TABLE discovery (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL,
  state TEXT NOT NULL, judged BIGINT NOT NULL, third_party BIGINT NOT NULL, confidence BIGINT NOT NULL,
  first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL, looked BIGINT NOT NULL, version BIGINT NOT NULL
);
INSERT INTO discovery SELECT id, org, kind, value, state, judged, third_party, confidence, first_seen, last_seen, looked, version FROM discovery_whole;
DROP TABLE discovery_whole;
CREATE UNIQUE INDEX discovery_asset ON discovery (org, kind, value);
CREATE INDEX discovery_recent ON discovery (org, first_seen, id, state, confidence, third_party, value);
CREATE INDEX discovery_newest ON discovery (first_seen, id, org, state, confidence, third_party, value);
CREATE INDEX discovery_state ON discovery (org, state, first_seen, id);
CREATE INDEX discovery_looked ON discovery (org, looked);
CREATE TABLE discovery_count (org TEXT NOT NULL, tab TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (org, tab));
INSERT INTO discovery_count SELECT org, state, COUNT(*) FROM discovery GROUP BY org, state;
INSERT INTO discovery_count SELECT org, CAST(first_seen / 86400000000 AS TEXT), COUNT(*) FROM discovery GROUP BY 1, 2;
