-- +goose Up
-- Every page says how many actions its reader's organisations have in each state:
-- for a thousand of them the sums are read from one index, and no row is looked up.
CREATE INDEX action_counted ON action_count (org, tab, n);
-- A text that many actions are about is looked for in the order that is asked for,
-- and so is every text of a small scope: the topic stands in these indexes, too.
DROP INDEX action_org;
DROP INDEX action_due;
DROP INDEX action_priority;
DROP INDEX action_seen;
CREATE INDEX action_org ON action (org, tab, due, id, facet, priority, topic, first_seen, opened, ended, reopened);
CREATE INDEX action_due ON action (tab, due, id, org, facet, priority, topic);
CREATE INDEX action_priority ON action (tab, priority, id, org, facet, due, topic);
CREATE INDEX action_seen ON action (tab, last_seen, id, org, facet, due, topic);
