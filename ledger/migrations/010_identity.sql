-- +goose Up
-- A node's keys: its newest, which node.spki_sha256 names, the one before it until
-- the newest is first seen, and those that are retired, until they end, so that
-- whoever shows one is recognised.
CREATE TABLE node_key (
  spki_sha256 TEXT PRIMARY KEY, node TEXT NOT NULL REFERENCES node (id),
  issued_at BIGINT NOT NULL, not_after BIGINT NOT NULL, retired_at BIGINT NOT NULL
);
CREATE INDEX node_key_node ON node_key (node);
INSERT INTO node_key (spki_sha256, node, issued_at, not_after, retired_at) SELECT spki_sha256, id, enrolled_at, not_after, 0 FROM node;
ALTER TABLE node DROP COLUMN not_after;
-- The number of a node's last change, by which the other hubs learn of it.
ALTER TABLE node ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;
CREATE INDEX node_changed ON node (changed);

ALTER TABLE enrol_token ADD COLUMN made_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE enrol_token ADD COLUMN used_by TEXT NOT NULL DEFAULT '';
ALTER TABLE enrol_token ADD COLUMN used_peer TEXT NOT NULL DEFAULT '';
ALTER TABLE enrol_token ADD COLUMN revoked_at BIGINT NOT NULL DEFAULT 0;
-- Who came with the secret when it was no longer good.
ALTER TABLE enrol_token ADD COLUMN refusals BIGINT NOT NULL DEFAULT 0;
ALTER TABLE enrol_token ADD COLUMN refused_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE enrol_token ADD COLUMN refused_peer TEXT NOT NULL DEFAULT '';
CREATE INDEX enrol_token_org ON enrol_token (org);
