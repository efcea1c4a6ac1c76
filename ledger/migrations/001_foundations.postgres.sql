-- +goose Up
CREATE TABLE history (
  seq BIGSERIAL PRIMARY KEY,
  at BIGINT NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, org TEXT NOT NULL,
  action TEXT NOT NULL, state TEXT NOT NULL
);
-- +goose StatementBegin
CREATE FUNCTION history_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'history is append-only'; END $$;
-- +goose StatementEnd
CREATE TRIGGER history_no_change BEFORE UPDATE OR DELETE ON history FOR EACH ROW EXECUTE FUNCTION history_append_only();
CREATE INDEX history_record ON history (kind, id, seq);
