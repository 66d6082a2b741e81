"""BigQuery on this machine, as far as Syncline asks of it, with its rows in PostgreSQL.

What it is for: the API's jobs, tables and uploads, scripts with variables and transactions, and
transactions that get in each other's way as BigQuery documents it. It refuses what BigQuery does,
where PostgreSQL would not.
"""
