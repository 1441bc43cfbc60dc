"""Servers that tests run against, started on free ports in temporary folders, and stopped.

They work as root too: what refuses root runs as another user. These environment variables name
running ones instead:

``CLIQUET_TEST_REDIS_URL``
    A Redis, without the number of a database: number 1 is emptied.
``CLIQUET_TEST_POSTGRESQL_URL``
    A PostgreSQL, with a user who may create databases: each test has its own.
"""
