"""The dataset in BigQuery as dlt knows it, which prepares files for it and loads nothing."""

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations.impl.bigquery.factory import bigquery

_NAME_LETTERS = 63


class BigQueryDestination(bigquery):
    """dlt's BigQuery destination, which keeps times without a zone; it is never connected.

    Names are as long as in PostgreSQL: what a stream lands in does not depend on the dataset.
    """

    def __init__(self) -> None:
        super().__init__(destination_name="dataset")

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.supports_naive_datetime = True
        capabilities.max_identifier_length = _NAME_LETTERS
        capabilities.max_column_identifier_length = _NAME_LETTERS
        return capabilities
