"""The book of parameters: what holds for whom and from when, versioned as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec.structs import asdict, replace

from include.surveillance.detection.parameters.overrides import SCOPES, Override, changed, known, parse
from include.surveillance.detection.parameters.values import Budget, Parameters, encode_value
from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import ParameterOverride, ParametersVersion, digest
from include.surveillance.settings import Settings


class ParameterBook:
    """Resolves the parameters of a symbol and a day from a base and its overrides.

    A narrower scope holds over a wider one (global < asset class < liquidity < symbol); within one scope the later
    date holds. The order in which overrides are given does not matter.

    Args:
        base: what holds where nothing overrides it.
        overrides: of any order.

    Raises:
        ConfigurationError: an override names what does not exist or may not be overridden, or two contradict.
    """

    def __init__(self, base: Parameters = Parameters(), overrides: Iterable[Override] = ()):  # noqa: B008 - frozen
        self.base = base
        overrides = tuple(overrides)
        for override in overrides:
            override.check(base)
        self.overrides = tuple(sorted(overrides, key=lambda one: (SCOPES.index(one.scope), one.effective, one.target)))
        self._resolved: dict[tuple[int, ...], Parameters] = {}
        seen: set[tuple[str, ...]] = set()  # the fields that are set, of whom and from when
        for override in self.overrides:
            for field in override.set:
                entry = (*override.target, override.effective, field)
                if entry in seen:
                    raise ConfigurationError(f"{override.name} sets {field} twice; keep one of the two entries")
                seen.add(entry)

    @classmethod
    def default(cls) -> ParameterBook:
        """Load what the platform ships: ``include/surveillance/parameters.yaml``."""
        return cls.load(Settings.parameters_file)

    @classmethod
    def load(cls, path: Path) -> ParameterBook:
        """Load YAML with the keys ``base`` (fields of Parameters) and ``overrides`` (a list).

        Both may be left out: the base is then that of the rules, the overrides are those that are shipped. A file that
        wants none of them says ``overrides: []``.

        Raises:
            ConfigurationError: unreadable, or an entry is unusable; the message names it and what is allowed.
        """
        given = read_parameters(path)
        overrides = (
            given["overrides"] if "overrides" in given else read_parameters(Settings.parameters_file)["overrides"]
        )
        try:
            if not isinstance(overrides or [], list):
                raise ConfigurationError("overrides is no list; write each entry after a dash")
            base = changed(Parameters(), given.get("base") or {}, "base")
            entries = enumerate(overrides or [], 1)
            return cls(base, [parse(entry, f"overrides, entry {number}") for number, entry in entries])
        except ConfigurationError as error:
            raise ConfigurationError(f"parameters {path}: {error}") from None

    def replaced(
        self,
        *,
        session_reset: bool | None = None,
        alerting_form: RuleForm | dict[str, RuleForm] | None = None,
        budget: Budget | None = None,
    ) -> ParameterBook:
        """Return a book with another base; None keeps what is."""
        given = {"session_reset": session_reset, "alerting_form": alerting_form, "budget": budget}
        return ParameterBook(
            replace(self.base, **{name: value for name, value in given.items() if value is not None}), self.overrides
        )

    @cached_property
    def regimes(self) -> tuple[str, ...]:
        """New York dates from which something changes, sorted; the first is empty: from the beginning."""
        return ("", *sorted({override.effective for override in self.overrides}))

    def resolve(self, date: str) -> Parameters:
        """Return what holds on a New York date (YYYY-MM-DD) for symbols of which nothing is known."""
        return self.resolve_for(date, "", "", "")

    def resolve_for(self, date: str, symbol: str, asset_class: str, liquidity: str) -> Parameters:
        """Return what holds for one symbol on a New York date; an empty text is unknown."""
        names = {"global": "", "asset_class": asset_class, "liquidity": liquidity, "symbol": symbol}
        chosen = tuple(
            number
            for number, override in enumerate(self.overrides)
            if override.effective <= date and override.whom == names[override.scope]
        )
        if chosen not in self._resolved:
            resolved = self.base
            for number in chosen:
                resolved = self.overrides[number].applied(resolved)
            self._resolved[chosen] = resolved
        return self._resolved[chosen]

    def version(self, date: str) -> str:
        """Return eight hex digits over all that is in force on a New York date, for anyone; not over the reasons."""
        in_force: dict[tuple[str, ...], Any] = {}
        for override in self.overrides:
            if override.effective <= date:
                for field, value in override.set.items():
                    entry = (*override.target, field)
                    in_force[entry] = in_force.get(entry, {}) | value if isinstance(value, dict) else value
        if not in_force:
            return self.base.version
        return digest(encode_value(self.base), encode_value(sorted(in_force.items())))

    def describe(self) -> list[ParametersVersion]:
        """Describe each version that the book has, in the order of its days."""
        base = encode_value(self.base)
        overrides = [ParameterOverride(**asdict(one) | {"set": encode_value(one.set)}) for one in self.overrides]
        return [
            ParametersVersion(
                version=self.version(date),
                effective=date,
                base=base,
                overrides=tuple(one for one in overrides if one.effective <= date),
            )
            for date in self.regimes
        ]

    @classmethod
    def of_version(cls, described: ParametersVersion) -> ParameterBook:
        """Make the book of a version that was described.

        Raises:
            ConfigurationError: these rules do not have such parameters any more, or it is not that version.
        """
        try:
            base = msgspec.json.decode(described.base, type=Parameters)
            given = [asdict(one) | {"set": msgspec.json.decode(one.set)} for one in described.overrides]
            book = cls(base, [Override(**one) for one in given])
        except msgspec.MsgspecError as error:
            raise ConfigurationError(f"parameters {described.version}: {error}; use the code that knew them") from None
        if (version := book.version(described.effective)) != described.version:
            raise ConfigurationError(
                f"parameters {described.version} read back are {version}: the rules have other values since; use the "
                "code that knew them"
            )
        return book


def read_parameters(path: Path) -> dict[str, Any]:
    """Read what a file of parameters says, as it is written.

    Raises:
        ConfigurationError: unreadable, or it has other keys than ``base`` and ``overrides``.
    """
    try:
        given = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"parameters {path} cannot be read: {error}") from error
    try:
        known(given, ("base", "overrides"), "the file")
    except ConfigurationError as error:
        raise ConfigurationError(f"parameters {path}: {error}") from None
    return dict(given)
