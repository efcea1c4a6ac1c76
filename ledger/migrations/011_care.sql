-- +goose Up
-- Organisations that leave: who said so and why, and what was deleted so far.
CREATE TABLE organisation_deletion (
  org TEXT PRIMARY KEY, parent TEXT NOT NULL, slug TEXT NOT NULL, tenant BIGINT NOT NULL, name TEXT NOT NULL, basis TEXT NOT NULL,
  asked_by TEXT NOT NULL, asked_at BIGINT NOT NULL, done_at BIGINT NOT NULL, counts TEXT NOT NULL
);
-- Those that left: neither their short names nor their numbers are used again.
CREATE TABLE organisation_gone (id TEXT PRIMARY KEY, slug TEXT NOT NULL UNIQUE, tenant BIGINT NOT NULL UNIQUE);
