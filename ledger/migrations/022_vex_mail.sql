-- +goose Up
-- A document that is one decision of a person: the weakness that it is about, and
-- when it ends; '' and 0 for what came as a file, and for what does not end.
ALTER TABLE vex_document ADD COLUMN about TEXT NOT NULL DEFAULT '';
ALTER TABLE vex_document ADD COLUMN until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX vex_document_about ON vex_document (about, org) WHERE about <> '';
CREATE INDEX vex_document_until ON vex_document (until) WHERE until > 0 AND state = 'in_force';
-- Who gets mail. Day is the last whose digest was made; the body is the record.
CREATE TABLE mail_recipient (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, address TEXT NOT NULL, state TEXT NOT NULL, day TEXT NOT NULL, version BIGINT NOT NULL, body TEXT NOT NULL,
  UNIQUE (org, address)
);
CREATE INDEX mail_recipient_due ON mail_recipient (state, day, address);
-- Letters that wait, were sent or failed.
CREATE TABLE mail_letter (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, state TEXT NOT NULL, made_at BIGINT NOT NULL, next_at BIGINT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX mail_letter_next ON mail_letter (state, next_at, id);
CREATE INDEX mail_letter_org ON mail_letter (org, id);
CREATE INDEX action_reminder_told ON action_reminder (told, at);
CREATE INDEX notice_waiting ON notice (org, made_at, id) WHERE state = 'made';
