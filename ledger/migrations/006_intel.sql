-- +goose Up
CREATE TABLE indicator (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, realm TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL,
  state TEXT NOT NULL, search TEXT NOT NULL, valid_until BIGINT NOT NULL, created BIGINT NOT NULL,
  sightings BIGINT NOT NULL, version BIGINT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX indicator_value ON indicator (value, kind, realm);
CREATE INDEX indicator_state ON indicator (state, valid_until);
CREATE INDEX indicator_recent ON indicator (created, id);
CREATE TABLE indicator_audience (indicator TEXT NOT NULL, org TEXT NOT NULL, PRIMARY KEY (org, indicator));
CREATE INDEX indicator_audience_of ON indicator_audience (indicator);
