"""Nothing secret is in a file that is kept, and what is generated is never kept."""

from __future__ import annotations

import re
import subprocess

import pytest

from include.local_stack.credentials import GENERATORS
from tests.project.files import ROOT, dotenv, kept_files

SHAPES = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a Fernet key": re.compile(r"(?<![\w/+-])[\w-]{43}=(?![\w=])"),
    "an AWS key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a Slack webhook": re.compile(r"hooks\.slack\.com/services/T\w+/B\w+/\w+"),
    "a Slack token": re.compile(r"\bxox[abprs]-[\w-]{10,}"),
    "a GitHub token": re.compile(r"\bgh[pousr]_\w{30,}"),
    "a JSON web token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\."),
    "a password in an address": re.compile(r"://[\w.-]+:(?![{$<%])[^@\s/{$]{6,}@"),
}
TEXT = {".py", ".sql", ".yml", ".yaml", ".toml", ".md", ".txt", ".env", ".example", ".cfg", ".ini", ".json", ".xml", ""}
# Kept with a hash per distribution or drawn as base64: long strings that are no secrets.
EXEMPT = {"requirements.lock"}


def findings(text: str) -> list[str]:
    return [f"{what}: {match[0][:12]}..." for what, shape in SHAPES.items() if (match := shape.search(text))]


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN EC PRIVATE " + "KEY-----",
        "FERNET_KEY=" + "Zm9v" * 10 + "Zm9=",
        "AKIA" + "A1B2C3D4" * 2,
        "https://hooks.slack.com/services/" + "T01/B01/abcdef",
        "postgresql://airflow:" + "airflow@postgres/airflow",
        "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiJhZG1pbiJ9" + ".x",
    ],
)
def test_the_scan_sees(text):
    assert findings(text)


def test_no_kept_file_holds_a_secret():
    scanned = [path for path in kept_files() if path.suffix in TEXT and path.name not in EXEMPT]
    assert len(scanned) > 50
    found = {path.relative_to(ROOT).as_posix(): findings(path.read_text(errors="ignore")) for path in scanned}
    assert not {name: what for name, what in found.items() if what}


def test_no_kept_file_is_a_key_or_an_env_file():
    for path in kept_files():
        assert path.suffix not in {".pem", ".key", ".p8", ".crt"}, path
        assert path.name not in {".env", "airflow.env", "secrets.env", "passwords.json"}, path


@pytest.mark.parametrize("name", [".env", "airflow.env", ".local/secrets.env"])
def test_git_ignores_what_is_generated(name):
    assert subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT).returncode == 0


def test_the_settings_file_that_astro_would_ignore_is_kept():
    ignored = subprocess.run(["git", "check-ignore", "--quiet", "airflow_settings.yaml"], cwd=ROOT).returncode == 0
    assert not ignored


def test_the_examples_leave_every_secret_empty():
    example = dotenv(ROOT / ".env.example")
    assert set(GENERATORS) <= set(example), f".env.example lacks {sorted(set(GENERATORS) - set(example))}"
    for name, value in {**example, **dotenv(ROOT / "airflow.env.example")}.items():
        if name.endswith(("PASSWORD", "SECRET", "_KEY", "TOKEN")):
            assert not value, f"{name} has a value"
