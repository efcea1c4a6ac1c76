-- +goose Up
-- Who is who. Times are microseconds since the epoch, 0 for never.
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE organisation (
  id TEXT PRIMARY KEY, parent TEXT NOT NULL, slug TEXT NOT NULL UNIQUE, tenant BIGINT NOT NULL UNIQUE, body TEXT NOT NULL
);

CREATE TABLE node (
  id TEXT PRIMARY KEY, org TEXT NOT NULL REFERENCES organisation (id), role TEXT NOT NULL, name TEXT NOT NULL,
  spki_sha256 TEXT NOT NULL UNIQUE, state TEXT NOT NULL, enrolled_at BIGINT NOT NULL, not_after BIGINT NOT NULL,
  cut_at BIGINT NOT NULL, cut_why TEXT NOT NULL
);
CREATE INDEX node_org ON node (org, id);

-- Secrets are kept as their SHA-256 only.
CREATE TABLE enrol_token (
  hash TEXT PRIMARY KEY, org TEXT NOT NULL REFERENCES organisation (id), role TEXT NOT NULL,
  made_by TEXT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT NOT NULL
);

CREATE TABLE person (id TEXT PRIMARY KEY, name TEXT NOT NULL, roles TEXT NOT NULL);

CREATE TABLE sign_in_link (
  hash TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES person (id), expires_at BIGINT NOT NULL, used_at BIGINT NOT NULL
);

CREATE TABLE session (
  hash TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES person (id), made_at BIGINT NOT NULL, expires_at BIGINT NOT NULL
);
CREATE INDEX session_expires ON session (expires_at);
