"""Servers that tests run against, started on free ports in temporary folders, and stopped.

They work as root too: what refuses root runs as another user.
"""
