-- +goose Up
CREATE TABLE history (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at BIGINT NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, org TEXT NOT NULL,
  action TEXT NOT NULL, state TEXT NOT NULL
);
-- +goose StatementBegin
CREATE TRIGGER history_no_update BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER history_no_delete BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
-- +goose StatementEnd
CREATE INDEX history_record ON history (kind, id, seq);
