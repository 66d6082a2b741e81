"""Bring a database to the newest schema: `python -m shared.store.migrate`."""

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.config import Settings
from shared.store.engine import create_engine_for


def upgrade(url: str) -> None:
    """Apply every migration that the database lacks; two at once wait for each other."""
    command.upgrade(alembic_configuration(url), "head")


def is_current(url: str) -> bool:
    """Tell whether the database has the newest schema."""
    script = ScriptDirectory.from_config(alembic_configuration(url))
    engine = create_engine_for(url, pool_size=1)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_heads()
    finally:
        engine.dispose()
    return set(current) == set(script.get_heads())


def alembic_configuration(url: str) -> AlembicConfig:
    """Return what Alembic works with on a database."""
    configuration = AlembicConfig()
    configuration.set_main_option("script_location", "shared.store:migrations")
    configuration.set_main_option("path_separator", "os")
    configuration.attributes["url"] = url
    return configuration


if __name__ == "__main__":
    upgrade(Settings.from_env().database_url)
