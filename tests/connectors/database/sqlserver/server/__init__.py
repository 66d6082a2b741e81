"""A server that speaks TDS over sockets, as SQL Server does; DuckDB runs its queries."""
