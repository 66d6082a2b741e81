"""Where the records of connectors land in PostgreSQL: a schema a connector, a table a stream."""
