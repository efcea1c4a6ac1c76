-- +goose Up
CREATE TABLE history (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at BIGINT NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, org TEXT NOT NULL,
  action TEXT NOT NULL, state TEXT NOT NULL
);
CREATE INDEX history_id ON history (id, seq);
-- +goose StatementBegin
CREATE TRIGGER history_no_update BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER history_no_delete BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
-- +goose StatementEnd
-- INSERT OR REPLACE deletes without asking the trigger above.
-- +goose StatementBegin
CREATE TRIGGER history_no_replace BEFORE INSERT ON history WHEN EXISTS (SELECT 1 FROM history WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
-- +goose StatementEnd
