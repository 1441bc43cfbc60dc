-- This step adds a function, cliquet_next. The tables stay as they are.

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '15');

\ir ../functions.sql
