"""The command line program, in the module ``cliquet``, and one module per command."""
