"""The dataset in BigQuery: what the runner asks of a dataset, done by jobs of a project."""
