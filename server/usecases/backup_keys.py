"""The key files beside the backups: written anew with each backup, and freed of what was erased since."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from server.db import backup_keys, backups, epochs, installation
from server.db.database import Connection
from server.db.installation import Root
from server.sealing import MasterKey
from server.services import Services
from server.storage.key_file import About, KeyFile, KeyFileWriter, KeysUnreadable, OtherMasterKey, key_files


async def write_keys(services: Services, folder: Path) -> KeyFileWriter:
    """The keys as they are now, later than the dump: what was erased meanwhile is not among them. To be published."""
    async with _reading(services) as (connection, root):
        about = About(at=datetime.now(UTC), epoch=(await epochs.current(connection)).id)
        return await _written(folder, root.master, about, backup_keys.key_sections(connection))


async def tidy_keys(services: Services, folder: Path, wanted: Set[str]) -> list[str]:
    """Free the key files of former epochs of what this database erased since, and remove those nobody wants.

    `wanted`: the epochs that backups are kept of. Returns the names of files that cannot be opened, and stay.
    """
    unopened: list[str] = []
    known = installation.master_keys(services.settings)
    async with _reading(services) as (connection, root):
        current = (await epochs.current(connection)).id
        for epoch, path in key_files(folder).items():
            if epoch not in wanted | {current}:
                path.unlink()
            elif epoch != current and not await _rewritten(connection, path, known, root.master):
                unopened.append(path.name)
    return unopened


async def rewrap_keys(services: Services, folder: Path, new: MasterKey) -> list[str]:
    """Put every key file of a folder under another master key, freed of what was erased since.

    Nobody else may write backups meanwhile (`backups.alone`). Returns the names of files that cannot be opened, and
    stay.
    """
    known = [*installation.master_keys(services.settings), new]
    async with _reading(services) as (connection, _):
        files = sorted(key_files(folder).values())
        return [path.name for path in files if not await _rewritten(connection, path, known, new)]


async def _rewritten(connection: Connection, path: Path, known: Sequence[MasterKey], master: MasterKey) -> bool:
    """Write a file anew under a master key without what was erased; False for one that no known key opens."""
    try:
        former = KeyFile(path, known)
        sections = backup_keys.without_destroyed(connection, former.frames())
        (await _written(path.parent, master, former.about, sections)).publish()
    except (OtherMasterKey, KeysUnreadable):
        return False
    return True


async def _written(
    folder: Path, master: MasterKey, about: About, sections: AsyncIterator[tuple[str, AsyncIterator[bytes]]]
) -> KeyFileWriter:
    writer = KeyFileWriter(folder, master, about)
    try:
        async for section, parts in sections:
            async for part in parts:
                writer.add(section, part)
        writer.finish()
    except BaseException:
        writer.discard()
        raise
    return writer


@asynccontextmanager
async def _reading(services: Services) -> AsyncGenerator[tuple[Connection, Root]]:
    """A connection of its own with one snapshot, of which nothing stays; and the root with its master key."""
    connection = await backups.connect(services.settings.database_url)
    try:
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        root = await installation.read_root(connection, installation.master_keys(services.settings))
        assert root is not None
        yield connection, root
        await transaction.rollback()
    finally:
        await connection.close()
