-- +goose Up
-- Ranges of names are by bytes, whatever the language of the database.
ALTER TABLE passive_dns ALTER COLUMN reversed TYPE TEXT COLLATE "C";
