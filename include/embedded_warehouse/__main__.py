"""The server's command line: ``python -m include.embedded_warehouse --db-path DIR --port 18821 --tls DIR``."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Annotated

import typer

from include.embedded_warehouse.certificates import ensure_certificates
from include.embedded_warehouse.versions import check_versions
from include.surveillance.errors import ConfigurationError


def run(
    db_path: Annotated[Path, typer.Option(help="Folder of the database files.")],
    database: Annotated[str, typer.Option(help="Created when missing.")] = "MARKET",
    host: Annotated[str, typer.Option(help="Address to bind; loopback unless --allow-remote.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port.")] = 18821,
    tls: Annotated[Path | None, typer.Option(help="Folder of the certificates; plain HTTP without.")] = None,
    tls_name: Annotated[list[str] | None, typer.Option(help="Host name beside localhost, repeatable.")] = None,
    allow_remote: Annotated[bool, typer.Option(help="Bind beyond loopback, which needs a password.")] = False,
    idle_session: Annotated[float, typer.Option(help="Seconds until it is closed.")] = 4 * 3600.0,
    # Nobody thinks that long between two statements, and its locks hold up every other writer. Snowflake: 300.
    idle_transaction: Annotated[
        float, typer.Option(envvar="WAREHOUSE_IDLE_TRANSACTION", help="Seconds until it is rolled back.")
    ] = 20.0,
    password: Annotated[
        str, typer.Option(envvar="WAREHOUSE_PASSWORD", show_default=False, help="The one that logs in; without, any.")
    ] = "",
) -> None:
    """Serve Snowflake's dialect and protocol emulated on DuckDB. It is not Snowflake."""
    _quiet_libraries()
    try:
        check_versions()
        from include.embedded_warehouse import launcher  # only once the versions are known to fit

        listener = launcher.listen(host, port, allow_remote and bool(password))
        files = ensure_certificates(tls, ("localhost", *(tls_name or ()))) if tls else None
        launcher.serve(listener, db_path, database, files, password, (idle_session, idle_transaction))
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _quiet_libraries() -> None:
    """Keep the log for what an operator can act on."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("sqlglot", "snowflake"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=r"urllib3 .* doesn't match a supported version")
    warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")


if __name__ == "__main__":
    typer.run(run)
