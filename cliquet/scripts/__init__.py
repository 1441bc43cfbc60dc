"""The command line: one module per command, and ``cliquet``, which is the program."""
