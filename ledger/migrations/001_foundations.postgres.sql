-- +goose Up
CREATE TABLE history (
  seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at BIGINT NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, org TEXT NOT NULL,
  action TEXT NOT NULL, state TEXT NOT NULL
);
CREATE INDEX history_id ON history (id, seq);
-- +goose StatementBegin
CREATE FUNCTION history_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'history is append-only'; END $$;
-- +goose StatementEnd
-- For each statement: a change that would hit no row is refused as well.
CREATE TRIGGER history_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON history
FOR EACH STATEMENT EXECUTE FUNCTION history_append_only();
