-- +goose Up
-- Documents of decisions (VEX), as they were handed in, compressed. The body is the
-- record; changed is the number of its last change, at when that was.
CREATE TABLE vex_document (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, state TEXT NOT NULL, changed BIGINT NOT NULL, at BIGINT NOT NULL, version BIGINT NOT NULL,
  body TEXT NOT NULL, document BYTEA NOT NULL
);
CREATE INDEX vex_document_org ON vex_document (org, changed);
