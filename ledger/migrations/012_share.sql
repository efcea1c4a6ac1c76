-- +goose Up
-- What the feeds are to show, and has no place in their sequences yet. An empty
-- body is to show nothing.
CREATE TABLE feed_waiting (
  feed TEXT NOT NULL, indicator TEXT NOT NULL, flow TEXT NOT NULL, turn BIGINT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (feed, indicator)
);
CREATE INDEX feed_waiting_turn ON feed_waiting (feed, turn, indicator);
CREATE INDEX feed_waiting_flow ON feed_waiting (feed, flow, turn);
CREATE INDEX feed_waiting_indicator ON feed_waiting (indicator);
