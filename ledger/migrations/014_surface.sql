-- +goose Up
-- What owners have authorised to be scanned. The body is the record with the
-- text; due is when the next whole scan is to begin.
CREATE TABLE scan_scope (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, state TEXT NOT NULL, valid_until BIGINT NOT NULL,
  due BIGINT NOT NULL, created BIGINT NOT NULL, version BIGINT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX scan_scope_org ON scan_scope (org, created, id);
-- Who asked not to be scanned. Org is who answers them.
CREATE TABLE scan_optout (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, state TEXT NOT NULL, asked BIGINT NOT NULL, decided BIGINT NOT NULL,
  version BIGINT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX scan_optout_state ON scan_optout (state, asked, id);
-- Scans, with the scanner that has each now and until when, and what it has
-- handed in of one that is not taken in yet.
CREATE TABLE scan_run (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, scope TEXT NOT NULL, state TEXT NOT NULL, began BIGINT NOT NULL,
  lease_by TEXT NOT NULL, lease_until BIGINT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX scan_run_org ON scan_run (org, began, id);
CREATE INDEX scan_run_state ON scan_run (state);
CREATE TABLE scan_part (run TEXT NOT NULL, digest TEXT NOT NULL, org TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, digest));
-- What is seen from outside: hosts, what answers on them, and what changed.
CREATE TABLE surface_asset (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, address TEXT NOT NULL, first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL,
  last_looked BIGINT NOT NULL, search TEXT NOT NULL, UNIQUE (org, address)
);
CREATE INDEX surface_asset_org ON surface_asset (org, last_seen, id);
CREATE TABLE surface_service (
  asset TEXT NOT NULL, place TEXT NOT NULL, org TEXT NOT NULL, state TEXT NOT NULL, service TEXT NOT NULL,
  first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL, last_looked BIGINT NOT NULL, run TEXT NOT NULL, silent INTEGER NOT NULL,
  crypto TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (asset, place)
);
CREATE INDEX surface_service_org ON surface_service (org, state);
CREATE INDEX surface_service_crypto ON surface_service (crypto, org);
CREATE TABLE surface_change (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, asset TEXT NOT NULL, at BIGINT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX surface_change_org ON surface_change (org, at, id);
CREATE INDEX surface_change_asset ON surface_change (asset, at);
