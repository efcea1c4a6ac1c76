-- +goose Up
-- Notices to owners of devices; org is the provider.
CREATE TABLE notice (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, realm TEXT NOT NULL, grp TEXT NOT NULL, state TEXT NOT NULL, address TEXT NOT NULL,
  search TEXT NOT NULL, first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL, last_looked BIGINT NOT NULL, silent_day TEXT NOT NULL,
  made_at BIGINT NOT NULL, sent_at BIGINT NOT NULL, handed_at BIGINT NOT NULL, checked_at BIGINT NOT NULL, ended_at BIGINT NOT NULL,
  proof TEXT NOT NULL, version BIGINT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX notice_address ON notice (org, address);
CREATE INDEX notice_recent ON notice (org, last_seen, id);
CREATE INDEX notice_live ON notice (org, realm, ended_at, id);
CREATE INDEX notice_sent ON notice (org, sent_at);
-- On which days a device was seen with it.
CREATE TABLE notice_seen (notice TEXT NOT NULL, day TEXT NOT NULL, org TEXT NOT NULL, PRIMARY KEY (notice, day));
CREATE INDEX notice_seen_day ON notice_seen (org, day);
-- The rules that said so, and what providers, makers and owners said to it.
CREATE TABLE notice_rule (notice TEXT NOT NULL, rule TEXT NOT NULL, org TEXT NOT NULL, PRIMARY KEY (notice, rule));
CREATE INDEX notice_rule_org ON notice_rule (org, rule);
CREATE TABLE notice_feedback (
  id TEXT PRIMARY KEY, notice TEXT NOT NULL, org TEXT NOT NULL, at BIGINT NOT NULL, who TEXT NOT NULL, verdict TEXT NOT NULL, words TEXT NOT NULL, actor TEXT NOT NULL
);
CREATE INDEX notice_feedback_notice ON notice_feedback (notice);
CREATE INDEX notice_feedback_org ON notice_feedback (org, at);
-- Looks that owners asked for.
CREATE TABLE notice_check (
  id TEXT PRIMARY KEY, notice TEXT NOT NULL, org TEXT NOT NULL, asked_at BIGINT NOT NULL, done_at BIGINT NOT NULL, outcome TEXT NOT NULL
);
CREATE INDEX notice_check_notice ON notice_check (notice, asked_at);
CREATE INDEX notice_check_waiting ON notice_check (org, done_at, asked_at);
-- Surveys, with how much of each provider they looked at.
CREATE TABLE notice_survey (
  id TEXT NOT NULL, org TEXT NOT NULL, realm TEXT NOT NULL, day TEXT NOT NULL, at BIGINT NOT NULL, addresses BIGINT NOT NULL, answered BIGINT NOT NULL,
  PRIMARY KEY (id, org)
);
CREATE INDEX notice_survey_day ON notice_survey (org, day);
