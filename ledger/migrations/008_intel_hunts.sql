-- +goose Up
-- The active indicators whose past sightings were not looked for yet. What was
-- active before this list is looked for again: that counts nothing twice.
CREATE TABLE indicator_unhunted (indicator TEXT PRIMARY KEY, since BIGINT NOT NULL);
CREATE INDEX indicator_unhunted_since ON indicator_unhunted (since, indicator);
INSERT INTO indicator_unhunted (indicator, since) SELECT id, created FROM indicator WHERE state = 'active';
