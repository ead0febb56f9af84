"""How a command on the same machine finds the services of a running `onegrid up`."""

from collections.abc import Mapping
from pathlib import Path

from server.embedded.folder import DataFolder
from server.settings import REQUIRED, Settings, read, variable


def connection(data_dir: Path) -> dict[str, str]:
    """`ONEGRID_*` settings of what runs embedded on a data folder. Raises StartError if nothing does."""
    return DataFolder(data_dir).connection()


def local_settings(environ: Mapping[str, str], data_dir: Path | None = None) -> Settings:
    """Settings for a command: those of the environment, the rest from the data folder's running services.

    The folder is `data_dir`, else ONEGRID_DATA, else `onegrid-data`. Raises StartError or SettingsError.
    """
    if all(environ.get(variable(name)) for name in REQUIRED):
        return Settings.from_env(environ)
    found = connection(data_dir or Path(read("data", environ)))
    given = {name: value for name, value in environ.items() if value}
    return Settings.from_env(found | given)
