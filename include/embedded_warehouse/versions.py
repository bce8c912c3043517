"""The exact versions whose internals are wrapped here; any other one may have moved them."""

from importlib.metadata import version

PINNED = {"fakesnow": "0.12.1", "duckdb": "2.0.0", "sqlglot": "30.22.0"}


class UnsupportedVersionError(Exception):
    """An installed library is not the one that this package was written for."""


def check_versions() -> None:
    """Compare the installed libraries with PINNED.

    Raises:
        UnsupportedVersionError: names every difference and how to get back.
    """
    found = {name: version(name) for name in PINNED}
    wrong = [f"{name} {found[name]} (needs {pin})" for name, pin in PINNED.items() if found[name] != pin]
    if wrong:
        raise UnsupportedVersionError(
            f"The embedded warehouse wraps internals of exact versions; installed: {', '.join(wrong)}. "
            "Install requirements.lock again, or move the pins together with the contract tests."
        )
