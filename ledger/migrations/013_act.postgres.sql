-- +goose Up
-- The beginning of a name is looked for as a range, which is one in this order only.
ALTER TABLE action ALTER COLUMN asset_key TYPE TEXT COLLATE "C", ALTER COLUMN asset_name TYPE TEXT COLLATE "C";
