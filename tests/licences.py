"""The licence of every installed package, held against those that the project may be given away with.

``python -m tests.licences`` prints them all and fails when one is not allowed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from email.message import Message
from importlib.metadata import distributions

# SPDX names and those of the package index' classifiers. Licences that extend to what uses them over a network (AGPL,
# SSPL, BUSL) or to what is linked with them (GPL) are not among them, and what is not known is not allowed.
ALLOWED = {
    *("0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python"),
    *("ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Unlicense", "Zlib"),
    *("Apache 2.0", "Apache License 2.0", "3-Clause BSD License", "Apache Software License", "BSD License"),
    *("ISC License (ISCL)", "MIT License", "Python Software Foundation License", "The Unlicense (Unlicense)"),
    # By file, or for a library that is used as it is: what uses it keeps its own licence. Named in NOTICE.
    *("MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)", "LGPL-3.0-only"),
    "GNU Lesser General Public License v2 or later (LGPLv2+)",
    "GNU Library or Lesser General Public License (LGPL)",
}
# Read by a person, because the metadata says nothing or offers a choice.
REVIEWED = {
    "openlineage-sql": "Apache-2.0, by its repository",
    "supervisor": "BSD-derived, by its LICENSES.txt",
    "text-unidecode": "Artistic License, the other choice being GPL",
}
# Says about a licence, and is none.
REMARKS = {"DFSG approved", "OSI Approved"}


def name_licences(metadata: Message) -> list[str]:
    """List a package's licences: of its SPDX expression, else its classifiers, else its free text."""
    if expression := metadata.get("License-Expression"):
        return split_expression(expression)
    classifiers = [it.split(" :: ") for it in metadata.get_all("Classifier") or () if it.startswith("License :: ")]
    if names := [it[-1] for it in classifiers if it[-1] not in REMARKS]:
        return names
    first, *_ = (metadata.get("License") or "").splitlines() or [""]
    return split_expression(first) or ["unknown"]


def split_expression(text: str) -> list[str]:
    """List what an SPDX expression names, whether all of it holds or one may be chosen."""
    return [part.strip() for part in re.split(r"\b(?:AND|OR)\b|[()]", text) if part.strip()]


def list_refused(packages: Iterable[Message]) -> dict[str, list[str]]:
    """List each package with a licence that is not allowed; every one that is named must be."""
    refused = {}
    for metadata in packages:
        name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
        licences = name_licences(metadata)
        if name not in REVIEWED and not set(licences) <= ALLOWED:
            refused[name] = licences
    return refused


def main() -> int:
    """Print every package with its licences; return 1 when one is refused."""
    packages = sorted((it.metadata for it in distributions()), key=lambda metadata: metadata["Name"].lower())
    for metadata in packages:
        sys.stdout.write(f"{metadata['Name']:<45} {metadata['Version']:<14} {'; '.join(name_licences(metadata))}\n")
    refused = list_refused(packages)
    for name, licences in refused.items():
        sys.stdout.write(f"not allowed: {name}: {', '.join(licences)}; see tests/licences.py\n")
    return bool(refused)


if __name__ == "__main__":
    sys.exit(main())
