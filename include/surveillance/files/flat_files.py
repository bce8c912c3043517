"""Finds and fetches files of bars that are named by their day, in a folder or in a bucket of S3."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from urllib.parse import urlsplit

from include.surveillance.errors import ConfigurationError, VendorError, VendorUnavailableError
from include.surveillance.files.sources import find_files

DAY = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)")
SCHEME = "s3://"
MASSIVE = "https://files.massive.com"
CONNECT_SECONDS, SILENT_SECONDS, ATTEMPTS = 10, 60, 5
FIX_KEYS = "put the vendor's S3 access key and secret into connection flat_files, as login and password"


class FlatFiles(Protocol):
    """Files of one kind of bars, one a day."""

    def list_days(self) -> dict[date, str]:
        """Return the file of each day, oldest first; raises ConfigurationError when two are of one day."""

    def fetch(self, name: str) -> Any:
        """Return a context manager with the path of a file, which is there until it ends."""


class Folder:
    """Flat files of a folder and of those below it.

    Args:
        root: which nothing outside of is read.
        path: below the root.

    Raises:
        ConfigurationError: there is no such folder below the root.
    """

    def __init__(self, root: Path, path: str):
        self.root = root.resolve()
        self.path = (self.root / path).resolve()
        # A link may lead out of it as well as dots.
        if not self.path.is_relative_to(self.root) or not self.path.is_dir():
            raise ConfigurationError(f"{path} is no folder below FLAT_FILES_FOLDER={root}; put the files there")

    def __str__(self) -> str:
        return str(self.path)

    def list_days(self) -> dict[date, str]:
        files, _ = find_files(self.path)
        inside = (file for file in files if file.resolve().is_relative_to(self.root))
        return _by_day(str(file.relative_to(self.path)) for file in inside)

    @contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        yield self.path / name


class Bucket:
    """Flat files of S3, the vendor's or those of any other that speaks it.

    Args:
        address: s3://bucket/prefix.
        endpoint: scheme, host and port of who serves it; empty: the vendor's.
        access_key, secret: of S3, not the key of the vendor's API.

    Raises:
        ConfigurationError: address, endpoint or keys cannot be used.

    Every call raises:
        VendorError: refused for good: wrong keys, not in the plan, or no such bucket or file.
        VendorUnavailableError: unreachable or out of order; retrying may help.
    """

    def __init__(self, address: str, endpoint: str, access_key: str, secret: str):
        import boto3  # with botocore, too heavy for whoever reads a folder
        from botocore.config import Config

        self.bucket, _, self.prefix = address.removeprefix(SCHEME).partition("/")
        endpoint = endpoint.strip() or MASSIVE
        if not self.bucket or urlsplit(endpoint).scheme not in ("http", "https"):
            raise ConfigurationError(f"{address} at {endpoint!r} is no address; write s3://bucket/prefix and {MASSIVE}")
        if not (access_key and secret):
            raise ConfigurationError(f"there is no key for {address}; {FIX_KEYS}")
        limits = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=SILENT_SECONDS,
            retries={"mode": "standard", "max_attempts": ATTEMPTS},
        )
        keys = {"aws_access_key_id": access_key.strip(), "aws_secret_access_key": secret.strip()}
        self._client = boto3.session.Session(**keys).client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", config=limits
        )

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}"

    def list_days(self) -> dict[date, str]:
        folder = f"{self.prefix.rstrip('/')}/" if self.prefix else ""
        with self._as_vendor_error(folder):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=folder)
            return _by_day(found["Key"] for page in pages for found in page.get("Contents", ()))

    @contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        with TemporaryDirectory(prefix="flat-file-") as folder:
            path = Path(folder) / PurePosixPath(name).name
            with self._as_vendor_error(name), path.open("wb") as file:
                body = self._client.get_object(Bucket=self.bucket, Key=name)["Body"]
                shutil.copyfileobj(body, file, 1 << 20)
            yield path

    @contextmanager
    def _as_vendor_error(self, name: str) -> Iterator[None]:
        from botocore import exceptions as s3
        from urllib3.exceptions import HTTPError

        place = f"{SCHEME}{self.bucket}/{name}"
        try:
            yield
        except s3.ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            said = error.response.get("Error", {}).get("Code", "")
            if status >= 500 or status == 429:
                raise VendorUnavailableError(f"{place}: S3 answers {status} {said}; try again later") from error
            raise VendorError(
                f"{place}: S3 answers {status} {said}; is the address right, are the keys those of S3, and does the "
                "plan include these files?"
            ) from error
        except (s3.ConnectionError, s3.HTTPClientError, s3.IncompleteReadError, HTTPError) as error:
            raise VendorUnavailableError(f"{place} cannot be read: {type(error).__name__}; try again later") from error
        except s3.BotoCoreError as error:
            raise ConfigurationError(f"{place} cannot be asked for: {error}; {FIX_KEYS}") from error


def open_flat_files(address: str, root: Path, endpoint: str, access_key: str, secret: str) -> FlatFiles:
    """Open what an address means: s3://bucket/prefix, or a folder below ``root``; raises as these do."""
    return Bucket(address, endpoint, access_key, secret) if address.startswith(SCHEME) else Folder(root, address)


def _by_day(names: Iterator[str]) -> dict[date, str]:
    """Return the file of each day, oldest first; files without a day in their names are left out.

    Raises:
        ConfigurationError: two files are of one day.
    """
    days: dict[date, str] = {}
    for name in sorted(names):
        if day := _find_day(PurePosixPath(name).name):
            if day in days:
                raise ConfigurationError(f"{days[day]} and {name} are both of {day}; leave one of them")
            days[day] = name
    return dict(sorted(days.items()))


def _find_day(name: str) -> date | None:
    found = DAY.search(name)
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None
