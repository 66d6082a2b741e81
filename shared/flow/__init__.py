"""The use cases, one a file, each with its transaction boundaries."""
