"""The tools that backends share: the transaction of a request, clients of servers, locks."""
