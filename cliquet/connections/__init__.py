"""What the backends share below their contracts: the request's transaction, clients, locks."""
