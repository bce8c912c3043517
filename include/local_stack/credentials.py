"""The passwords and keys of one local stack: generated once, kept in one file that only its owner can read."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

GENERATORS = {
    "FERNET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "JWT_SECRET": lambda: secrets.token_hex(64),
    "API_SECRET_KEY": lambda: secrets.token_hex(32),
    "AIRFLOW_ADMIN_PASSWORD": lambda: secrets.token_hex(8),
    "REDIS_PASSWORD": lambda: secrets.token_hex(24),
    "KAFKA_PASSWORD": lambda: secrets.token_hex(24),
    "AKHQ_PASSWORD": lambda: secrets.token_hex(8),
    "POSTGRES_PASSWORD": lambda: secrets.token_hex(24),
    "AIRFLOW_DB_PASSWORD": lambda: secrets.token_hex(24),
    "SURVEILLANCE_DB_PASSWORD": lambda: secrets.token_hex(24),
    "SURVEILLANCE_READER_PASSWORD": lambda: secrets.token_hex(24),
    "SURVEILLANCE_DESK_PASSWORD": lambda: secrets.token_hex(24),
    "SIMULATOR_API_KEY": lambda: secrets.token_hex(24),
    "WAREHOUSE_PASSWORD": lambda: secrets.token_hex(24),
}


def ensure_credentials(file: Path) -> dict[str, str]:
    """Read the credentials in ``file`` by name; generate and add those that are missing."""
    lines = file.read_text().splitlines() if file.exists() else []
    known = dict(line.split("=", 1) for line in lines)
    missing = {name: generate() for name, generate in GENERATORS.items() if name not in known}
    if missing:
        write_secret(file, "".join(f"{name}={value}\n" for name, value in (known | missing).items()))
    return known | missing


def write_secret(file: Path, text: str) -> None:
    """Replace a file in one step; nobody but its owner can ever read it."""
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.write(text)
    partial.replace(file)
