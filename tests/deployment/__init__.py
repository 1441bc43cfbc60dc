"""The example service under the servers and behind the proxy that the documentation describes."""
