"""Folders and archives with Debian in them: the engines' roots, and what the stand-ins are built on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from include.surveillance.errors import SurveillanceError

# Variables by which pip and uv know their index; they are the machine's, not the project's.
INDEX = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"),
    *(name for scheme in ("http", "https", "no") for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper())),
)
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Root:
    """A release of Debian with packages; with ``uv`` its version of PyPI's uv, too, and a command ``python``."""

    suite: str
    packages: tuple[str, ...]
    uv: str = ""

    def make(self, target: Path) -> None:
        """Write it to ``target``: an archive when that ends in .tar, else a folder.

        Raises:
            SurveillanceError: mmdebstrap failed; the message ends as its output does.
        """
        command = ["mmdebstrap", "--quiet", "--variant=apt", "--mode=root", f"--include={','.join(self.packages)}"]
        command += [f"--aptopt={option}" for option in _apt_options()]
        if self.uv:
            # The authorities that this machine trusts, e.g. a proxy's, and its way to the registries.
            authorities = "/usr/local/share/ca-certificates"
            split = f"csplit --quiet --elide-empty-files --suffix-format=%03d.crt --prefix=$1{authorities}/machine-"
            command += [
                f"--customize-hook={split} {BUNDLE} '/-----BEGIN CERTIFICATE-----/' '{{*}}'",
                "--customize-hook=chroot $1 update-ca-certificates >/dev/null 2>&1",
                "--customize-hook=rm -f $1/usr/lib/python3*/EXTERNALLY-MANAGED; ln -s python3 $1/usr/bin/python",
                f"--customize-hook=chroot $1 pip install --quiet --root-user-action=ignore uv=={self.uv}",
            ]
        run = subprocess.run([*command, self.suite, str(target)], capture_output=True, text=True)
        if run.returncode:
            tail = " / ".join((run.stderr or run.stdout).strip().splitlines()[-3:])
            raise SurveillanceError(f"mmdebstrap could not make {self.suite} in {target}: {tail}")


def registry_environment() -> dict[str, str]:
    """Return the variables by which package clients in a container find their way as this machine's do."""
    known = {name: os.environ[name] for name in INDEX if os.environ.get(name)}
    return known | {"SSL_CERT_FILE": str(BUNDLE)}


def _apt_options() -> Iterator[str]:
    """What this machine's apt is told about fetching, e.g. a proxy, and nothing that is only wanted there."""
    yield 'APT::Install-Recommends "false"'
    if shutil.which("apt-config"):
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
        for line in dump.splitlines():
            name, _, value = line.partition(" ")
            if name.startswith(("Acquire::http", "Acquire::https", "Acquire::Check-Valid-Until")) and value != '"";':
                yield line.removesuffix(";")
