"""What helps the tests: resources, applications, clients and what they count."""
