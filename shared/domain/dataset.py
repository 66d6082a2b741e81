"""What belongs to whom in the database of the datasets."""

from uuid import UUID

OUR_SCHEMA = "syncline"
"""Where Syncline keeps, beside the datasets, what is about all of them; no reader may use it."""

REJECTS_TABLE = "syncline_rejects"
"""Where a dataset keeps the records that could not be loaded."""


def dataset_name(connector: UUID) -> str:
    """Return the schema that holds a connector's records; a renamed connector keeps it."""
    return f"dataset_{connector.hex}"


def reader_role(workspace: UUID) -> str:
    """Return the database role that reads all datasets of a workspace, and nothing else."""
    return f"reader_{workspace.hex}"
