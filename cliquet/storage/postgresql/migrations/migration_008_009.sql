-- A conversion from milliseconds, and triggers that keep the timestamps which callers supply: all of
-- them are dropped by 011_012.

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '9');
