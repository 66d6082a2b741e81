"""The connector type `dynamics`: Dynamics 365 Business Central and Dataverse, over OData v4."""

from shared.connectors.dynamics.config import DynamicsConfig
from shared.connectors.folder_type import FolderType

CONNECTOR_TYPE = FolderType(__name__, DynamicsConfig)
