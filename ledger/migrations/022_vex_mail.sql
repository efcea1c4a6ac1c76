-- +goose Up
-- A document that is one decision of a person: the weakness that it is about, and
-- when it ends; '' and 0 for what came as a file, and for what does not end.
ALTER TABLE vex_document ADD COLUMN about TEXT NOT NULL DEFAULT '';
ALTER TABLE vex_document ADD COLUMN until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX vex_document_about ON vex_document (about, org) WHERE about <> '';
CREATE INDEX vex_document_until ON vex_document (until) WHERE until > 0 AND state = 'in_force';
