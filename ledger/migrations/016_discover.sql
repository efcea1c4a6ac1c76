-- +goose Up
-- What walks found, by the organisation in whose walk it was found, and when
-- each organisation is walked. Looked is the last run that weighed the row.
CREATE TABLE discovery (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL,
  state TEXT NOT NULL, judged BIGINT NOT NULL, third_party BIGINT NOT NULL, confidence BIGINT NOT NULL,
  first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL, looked BIGINT NOT NULL,
  version BIGINT NOT NULL, body TEXT NOT NULL
);
CREATE UNIQUE INDEX discovery_asset ON discovery (org, kind, value);
CREATE INDEX discovery_recent ON discovery (org, first_seen, id);
CREATE INDEX discovery_newest ON discovery (first_seen, id);
CREATE INDEX discovery_state ON discovery (org, state);
CREATE INDEX discovery_looked ON discovery (org, looked);
CREATE TABLE discovery_run (
  org TEXT PRIMARY KEY, asked BIGINT NOT NULL, asked_by TEXT NOT NULL,
  began BIGINT NOT NULL, ended BIGINT NOT NULL, body TEXT NOT NULL
);
