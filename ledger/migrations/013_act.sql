-- +goose Up
-- What must be done about weaknesses. The body is the record; the columns are what
-- is asked for, and what every survey changes. Origin is the organisation that
-- found it without knowing whose it is, else the same as org. Tab is the state,
-- with x- before it in an exercise; facet folds source, level, known exploitation
-- and known owner into one small number, so that a page of any filter is read from
-- one index. Digest tells whether what was seen is the same; topic is what it is
-- about. Times are microseconds; until is the end of an exception or a refutation,
-- remind the time of the next reminder, asked whether an exception waits to be decided.
CREATE TABLE action (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, origin TEXT NOT NULL, realm TEXT NOT NULL, fingerprint TEXT NOT NULL,
  source TEXT NOT NULL, check_made TEXT NOT NULL, asset TEXT NOT NULL, place TEXT NOT NULL,
  tab TEXT NOT NULL, facet BIGINT NOT NULL, priority BIGINT NOT NULL, due BIGINT NOT NULL,
  first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL, last_looked BIGINT NOT NULL, opened BIGINT NOT NULL,
  ended BIGINT NOT NULL, reopened BIGINT NOT NULL, state_at BIGINT NOT NULL, until BIGINT NOT NULL, remind BIGINT NOT NULL,
  silent BIGINT NOT NULL, silent_at BIGINT NOT NULL, digest BIGINT NOT NULL,
  asked BIGINT NOT NULL, topic BIGINT NOT NULL, asset_key TEXT NOT NULL, asset_name TEXT NOT NULL,
  version BIGINT NOT NULL, body TEXT NOT NULL,
  UNIQUE (org, realm, fingerprint)
);
-- Pages of few organisations, and all that figures are made of.
CREATE INDEX action_org ON action (org, tab, due, id, facet, priority, first_seen, opened, ended, reopened);
CREATE INDEX action_due ON action (tab, due, id, org, facet, priority);
CREATE INDEX action_priority ON action (tab, priority, id, org, facet, due);
CREATE INDEX action_seen ON action (tab, last_seen, id, org, facet, due);
CREATE INDEX action_facet ON action (tab, facet, due, id, org, priority);
CREATE INDEX action_looked ON action (source, tab, last_looked);
CREATE INDEX action_topic_of ON action (topic, tab, due, id, org, facet, priority);
CREATE INDEX action_asset ON action (asset_key, tab, due, id, org, facet, priority);
CREATE INDEX action_named ON action (asset_name, tab, due, id, org, facet, priority) WHERE asset_name <> '';
CREATE INDEX action_moved ON action (origin, fingerprint) WHERE origin <> org;
CREATE INDEX action_asked ON action (org, due) WHERE asked = 1;
CREATE INDEX action_until ON action (until) WHERE until > 0;
CREATE INDEX action_remind ON action (remind) WHERE remind > 0;
-- What actions are about, each text once, in lower case.
CREATE TABLE action_topic (id BIGINT PRIMARY KEY, search TEXT NOT NULL);
-- How many actions an organisation has in each tab.
CREATE TABLE action_count (org TEXT NOT NULL, tab TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (org, tab));
-- Surveys that were handed in, and how many of their steps were made.
CREATE TABLE action_survey (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, source TEXT NOT NULL, ended BIGINT NOT NULL, digest TEXT NOT NULL,
  made BIGINT NOT NULL, steps BIGINT NOT NULL, outcome TEXT NOT NULL
);
CREATE INDEX action_survey_org ON action_survey (org, ended);
-- Who was reminded of what: the organisation itself, then those above it.
CREATE TABLE action_reminder (
  action TEXT NOT NULL, at BIGINT NOT NULL, org TEXT NOT NULL, told TEXT NOT NULL, assignee TEXT NOT NULL,
  kind TEXT NOT NULL, due BIGINT NOT NULL, PRIMARY KEY (action, at)
);
CREATE INDEX action_reminder_at ON action_reminder (at, action);
CREATE INDEX action_reminder_org ON action_reminder (org, at);
