"""The exact versions of the libraries whose internals this package wraps; any other may have moved them."""

from importlib.metadata import version

from include.surveillance.errors import ConfigurationError

PINNED = {"fakesnow": "0.12.1", "duckdb": "2.0.0", "sqlglot": "30.22.0"}


def check_versions() -> None:
    """Compare the installed libraries with PINNED.

    Raises:
        ConfigurationError: another version is installed; the message names each and how to get back.
    """
    wrong = [f"{name} {version(name)} (needs {pin})" for name, pin in PINNED.items() if version(name) != pin]
    if wrong:
        raise ConfigurationError(
            f"The embedded warehouse wraps internals of exact versions; installed: {', '.join(wrong)}. "
            "Install requirements.lock again, or move the pins together with the contract tests."
        )
