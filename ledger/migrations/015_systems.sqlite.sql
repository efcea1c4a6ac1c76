-- +goose Up
-- Bills of materials, as they were handed in, compressed; the newest is in force.
CREATE TABLE system_bill (
  system TEXT NOT NULL, number BIGINT NOT NULL, org TEXT NOT NULL, at BIGINT NOT NULL, body TEXT NOT NULL, document BLOB NOT NULL,
  PRIMARY KEY (system, number)
);
CREATE INDEX system_bill_org ON system_bill (org);
-- The files of feeds, in parts of a size that no transaction is long with.
CREATE TABLE advisory_part (feed TEXT NOT NULL, edition TEXT NOT NULL, number BIGINT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (feed, edition, number));
