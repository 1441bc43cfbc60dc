-- This step created triggers that a wrong step to version 10 had left out; 011_012 drops them.

INSERT INTO metadata (name, value) VALUES ('storage_schema_version', '11');
