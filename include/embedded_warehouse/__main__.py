"""The server's command line: ``python -m include.embedded_warehouse --db-path DIR --port 18821 --tls DIR``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from pathlib import Path

from include.embedded_warehouse.versions import check_versions
from include.surveillance.errors import ConfigurationError

IDLE_SESSION = 4 * 3600.0
IDLE_TRANSACTION = 20.0  # nobody thinks that long between two statements, and its locks hold up every other writer


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m include.embedded_warehouse",
        description="Embedded warehouse: Snowflake's dialect and protocol emulated on DuckDB. Not Snowflake.",
    )
    parser.add_argument("--db-path", type=Path, required=True, dest="folder", help="folder of the database files")
    parser.add_argument("--database", default="MARKET", help="created when missing (default MARKET)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=18821)
    parser.add_argument("--tls", type=Path, help="folder of the certificates, made when missing; plain HTTP without")
    parser.add_argument(
        "--tls-name",
        action="append",
        default=["localhost"],
        dest="tls_names",
        help="host name beside localhost, repeatable",
    )
    parser.add_argument("--allow-remote", action="store_true", help="listen on an address that is not loopback")
    parser.add_argument("--idle-session", type=float, default=IDLE_SESSION, help="seconds until it is closed")
    parser.add_argument("--idle-transaction", type=float, default=IDLE_TRANSACTION, help="seconds until rolled back")
    parser.add_argument(
        "--password",
        default=os.environ.get("WAREHOUSE_PASSWORD"),
        help="the one password that logs in (better by env WAREHOUSE_PASSWORD); without, any does",
    )
    return parser.parse_args()


def quiet_libraries() -> None:
    """Keep the log for what an operator can act on."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("sqlglot", "snowflake"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=r"urllib3 .* doesn't match a supported version")
    warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")


def main() -> int:
    args = arguments()
    quiet_libraries()
    try:
        check_versions()
        serve(args)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def serve(args: argparse.Namespace) -> None:
    from include.embedded_warehouse import launcher  # only once the versions are known to fit

    launcher.serve(launcher.Options(**vars(args)))


if __name__ == "__main__":
    sys.exit(main())
