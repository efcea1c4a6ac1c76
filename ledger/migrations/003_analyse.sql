-- +goose Up
-- Findings. The body is the record; the columns are what is asked for. Slot
-- names rule, node and hour in which a rule opened it, to bound how many it opens.
CREATE TABLE finding (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, dedup TEXT NOT NULL, slot TEXT NOT NULL, node TEXT NOT NULL,
  realm TEXT NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL, level INTEGER NOT NULL,
  first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL, count BIGINT NOT NULL, last_seq BIGINT NOT NULL,
  indicator TEXT NOT NULL, search TEXT NOT NULL, version BIGINT NOT NULL, body TEXT NOT NULL,
  UNIQUE (org, dedup)
);
CREATE INDEX finding_recent ON finding (last_seen, id);
CREATE INDEX finding_org ON finding (org, last_seen, id);
CREATE INDEX finding_indicator ON finding (indicator);
CREATE INDEX finding_slot ON finding (slot);
