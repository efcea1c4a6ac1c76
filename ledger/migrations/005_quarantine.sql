-- +goose Up
CREATE TABLE quarantine (
  id TEXT PRIMARY KEY, at BIGINT NOT NULL, org TEXT NOT NULL, node TEXT NOT NULL,
  place TEXT NOT NULL, reason TEXT NOT NULL, sample TEXT NOT NULL
);
CREATE INDEX quarantine_recent ON quarantine (org, at);
CREATE TABLE quarantine_count (org TEXT NOT NULL, node TEXT NOT NULL, count BIGINT NOT NULL, PRIMARY KEY (org, node));
