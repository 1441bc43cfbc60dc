"""The client of SQLite: configuration, file, connections, sessions."""
