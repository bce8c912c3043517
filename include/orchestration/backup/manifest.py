"""What a copy says of itself: when it was made, of which versions, and the checksum of each of its files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from airflow import __version__ as airflow_version
from msgspec import Struct

from include.orchestration.application import database
from include.surveillance.errors import ConfigurationError
from include.surveillance.live.copies import LogCopy
from include.surveillance.migrations import Migration, select_missing
from include.surveillance.settings import Settings
from include.surveillance.warehouse import schema
from include.surveillance.warehouse.copies import RawCopy

FILE = "manifest.json"
FORMAT = 1
FERNET_KEY = "AIRFLOW__CORE__FERNET_KEY"
AT_ONCE = 1024 * 1024


class Checked(Struct, frozen=True):
    """A file's size and checksum."""

    bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """The manifest of a copy; a folder without one is no whole copy.

    Attributes:
        begun_at: what was stored before is in the copy.
        application: numbers of the migrations of the application's database; ``raw`` those of schema RAW, ``None``
            like ``warehouse`` where the warehouse keeps itself.
        fernet_key: digest of the key that Airflow's connections and Variables are encrypted with.
        files: path in the folder -> its size and checksum.
    """

    format: int = FORMAT
    begun_at: datetime
    ended_at: datetime
    airflow: str = airflow_version
    fernet_key: str
    application: list[int]
    raw: list[int] | None
    log: LogCopy
    warehouse: RawCopy | None
    files: dict[str, Checked]

    def write(self, folder: Path) -> None:
        """Write the manifest, in one step."""
        partial = folder / f"{FILE}.partial"
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
        partial.replace(folder / FILE)

    @property
    def size(self) -> int:
        """How many bytes all files have."""
        return sum(it.bytes for it in self.files.values())


def read_manifest(folder: Path) -> Manifest:
    """Read a copy's manifest and compare every file with its checksum.

    Raises:
        ConfigurationError: there is none, a newer version wrote it, or a file is missing or is another one.
    """
    file = folder / FILE
    if not file.exists():
        raise ConfigurationError(f"{folder} holds no whole copy: {FILE} is missing; name the folder of another one")
    try:
        version = msgspec.json.decode(file.read_bytes(), type=dict)["format"]
        if version == FORMAT:
            manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except (msgspec.DecodeError, KeyError) as error:
        raise ConfigurationError(f"{file} cannot be read ({error}); restore another copy") from error
    if version != FORMAT:
        raise ConfigurationError(f"{file} has format {version}, this code reads {FORMAT}; restore with its own version")
    found = list_files(folder)
    if wrong := sorted(name for name, it in manifest.files.items() if found.get(name) != it):
        raise ConfigurationError(
            f"{folder}: {', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} not what was copied: missing or "
            "changed; restore another copy"
        )
    return manifest


def list_files(folder: Path) -> dict[str, Checked]:
    """Return size and checksum of each file in a copy's folder, but the manifest's."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILE)
    return {str(path.relative_to(folder)): _check(path) for path in files}


def check_versions(manifest: Manifest) -> None:
    """Do nothing when this version of the platform, with its settings, can restore the copy. An older copy is migrated.

    Raises:
        ConfigurationError: it cannot; the message says what to install or to set.
    """
    if _numbers(manifest.airflow) > _numbers(airflow_version):
        raise ConfigurationError(
            f"the copy is of Airflow {manifest.airflow}, this is {airflow_version}; restore with that version or newer"
        )
    _check_migrations(database.MIGRATIONS, manifest.application, database.WHERE)
    _check_migrations(schema.MIGRATIONS, manifest.raw or (), "schema RAW")
    if (wanted := Settings.from_env().kafka_partitions) != manifest.log.partitions:
        raise ConfigurationError(
            f"the copy's topics have {manifest.log.partitions} partitions, KAFKA_PARTITIONS says {wanted}; set "
            f"KAFKA_PARTITIONS={manifest.log.partitions}"
        )
    if manifest.fernet_key not in map(digest_key, fernet_keys()):
        raise ConfigurationError(
            "the copy's connections and Variables are encrypted with another Fernet key than this platform has; "
            "restore the secrets of the copy too, or add its key behind the one in FERNET_KEY, with a comma"
        )


def fernet_keys() -> list[str]:
    """Return the keys that Airflow decrypts with, the one that it encrypts with first."""
    return os.environ.get(FERNET_KEY, "").split(",")


def digest_key(key: str) -> str:
    """Return what tells keys apart and says nothing of them."""
    return hashlib.sha256(b"fernet key of a copy: " + key.encode()).hexdigest()


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".") if number.isdigit()]


def _check_migrations(known: Sequence[Migration], applied: Sequence[int], where: str) -> None:
    select_missing(known, applied, f"the copy of {where}")


def _check(path: Path) -> Checked:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(AT_ONCE):
            digest.update(part)
    return Checked(path.stat().st_size, digest.hexdigest())
