"""The layers and contracts of ``.importlinter``."""

from __future__ import annotations

from configparser import ConfigParser

from docs.generate.markdown import table
from tests.paths import ROOT


def contracts() -> dict[str, dict[str, str]]:
    """Each contract's entries, in the order of the file."""
    parser = ConfigParser()
    parser.read(ROOT / ".importlinter")
    return {name: dict(parser[name]) for name in parser.sections() if name.startswith("importlinter:contract:")}


def layer_table() -> str:
    """The packages of the domain from the top, which may import all below, to the bottom, with what each is."""
    rows = []
    for contract in contracts().values():
        if contract["type"] == "layers":
            package = contract["containers"].strip().replace(".", "/")
            rows += [
                (number, _named(layer, package)) for number, layer in enumerate(contract["layers"].split("\n")[1:], 1)
            ]
    return table(("layer", "packages and modules"), rows)


def contract_list() -> str:
    """The contracts' names."""
    return "\n".join(f"- {contract['name']}." for contract in contracts().values())


def _named(layer: str, package: str) -> str:
    names = []
    for name in layer.split("|"):
        path = f"{package}/{name.strip()}"
        names.append(f"`{path}`" if (ROOT / path).is_dir() else f"`{path}.py`")
    return ", ".join(names)
