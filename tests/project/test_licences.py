"""No package forbids what the project does with it, and those that ask for it are named in NOTICE."""

from __future__ import annotations

import re
from email.message import Message
from importlib.metadata import distributions

import pytest

from tests.licences import list_refused, name_licences
from tests.paths import ROOT


def package(**fields: str) -> Message:
    metadata = Message()
    metadata["Name"] = "example"
    for name, value in fields.items():
        metadata[name.replace("_", "-")] = value
    return metadata


@pytest.mark.parametrize(
    "fields",
    [
        {"License_Expression": "MIT"},
        {"License_Expression": "(MIT OR Apache-2.0) AND BSD-3-Clause"},
        {"License_Expression": "Apache-2.0 WITH LLVM-exception"},
        {"Classifier": "License :: OSI Approved :: MIT License"},
        {"License": "Apache 2.0\nfollowed by its whole text"},
    ],
)
def test_what_is_allowed(fields):
    assert list_refused([package(**fields)]) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"License": ""},
        {"License": "UNKNOWN"},
        {"License": "Proprietary"},
        {"License_Expression": "AGPL-3.0-only"},
        {"License_Expression": "SSPL-1.0"},
        {"License_Expression": "BUSL-1.1"},
        {"License_Expression": "MIT AND AGPL-3.0-or-later"},
        {"License_Expression": "GPL-3.0-only"},
        {"License_Expression": "LicenseRef-Proprietary"},
        {"Classifier": "License :: OSI Approved :: GNU Affero General Public License v3"},
        {"Classifier": "License :: OSI Approved"},
    ],
)
def test_what_is_refused(fields):
    assert set(list_refused([package(**fields)])) == {"example"}


def test_every_installed_package_has_an_allowed_licence():
    packages = [it.metadata for it in distributions()]
    assert len(packages) > 200
    assert list_refused(packages) == {}


def test_packages_under_a_copyleft_by_file_or_library_are_in_the_notice():
    notice = (ROOT / "NOTICE").read_text()
    for metadata in (it.metadata for it in distributions()):
        if re.search("LGPL|MPL|Lesser|Mozilla|Artistic", " ".join(name_licences(metadata))):
            assert re.search(rf"^- {re.escape(metadata['Name'])}:", notice, re.MULTILINE), metadata["Name"]


def test_the_licence_and_the_notice_are_there():
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert "Apache License, Version 2.0" in (ROOT / "NOTICE").read_text()
