-- +goose Up
-- Every page says how many actions its reader's organisations have in each state:
-- for a thousand of them the sums are read from one index, and no row is looked up.
CREATE INDEX action_counted ON action_count (org, tab, n);
