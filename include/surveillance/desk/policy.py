"""What the desk asks of people: reasons for closing, second signatures, how long a silence lasts. A file of YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from include.surveillance.errors import ActRefusedError, ConfigurationError
from include.surveillance.severities import SEVERITIES, Severity

Disposition = Literal["true positive", "false positive", "no verdict"]
"""What a decision on an alert says of the rule that raised it."""
DISPOSITIONS: tuple[Disposition, ...] = get_args(Disposition)
Code = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,40}$")]
Count = Annotated[int, Meta(ge=1)]


class Reason(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an alert is closed."""

    code: Code
    disposition: Disposition
    text: Annotated[str, Meta(min_length=1, max_length=200)]


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See ``policy.yaml``."""

    second_signature_from: Severity | None
    longest_silence_days: Count
    most_attachment_bytes: Count
    reasons: tuple[Reason, ...]

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Read a policy from a file.

        Raises:
            ConfigurationError: the file is missing or unusable, or has no reason or a code twice; the message names it.
        """
        try:
            policy = msgspec.yaml.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigurationError(f"the desk's policy {path} is unusable: {error}; correct the file") from error
        codes = [reason.code for reason in policy.reasons]
        if not codes or len(set(codes)) < len(codes):
            raise ConfigurationError(f"the desk's policy {path} has no reasons or one code twice; name each once")
        return policy

    def find_reason(self, code: str) -> Reason:
        """Return the reason of a code.

        Raises:
            ActRefusedError: there is none.
        """
        for reason in self.reasons:
            if reason.code == code:
                return reason
        known = ", ".join(reason.code for reason in self.reasons)
        raise ActRefusedError(f"{code!r} is no reason for closing an alert; choose one of {known}")

    def wants_second_signature(self, severity: Severity) -> bool:
        """Say whether closing an alert of this severity wants a second person."""
        least = self.second_signature_from
        return least is not None and SEVERITIES.index(severity) >= SEVERITIES.index(least)
