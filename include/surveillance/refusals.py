"""The vendor's refusals as our errors: what it said, and what to do about it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from urllib3 import Retry
from urllib3.exceptions import InvalidHeader

from .errors import RateLimitedError, SurveillanceError, VendorError, VendorUnavailableError

if TYPE_CHECKING:
    from .transport import Answer

FIX_KEY = "put a valid key into POLYGON_API_KEY, or into the password of Airflow connection polygon_default"
FIX_URL = "correct POLYGON_BASE_URL, the host of Airflow connection polygon_default, or the network"


def refusal(answer: Answer) -> SurveillanceError:
    """The error for an answer other than 200."""
    said = f"{answer.status}: {_reason(answer.data)}"
    match answer.status:
        case 401:
            return VendorError(f"Polygon refused the API key ({said}); {FIX_KEY}")
        case 400 if "API Key" in said:
            return VendorError(f"Polygon got no API key ({said}); {FIX_KEY}")
        case 403:
            return VendorError(
                f"this key is not entitled to the request ({said}); check this machine's clock first, because Polygon "
                f"refuses times in its future like this, and its clock shows {answer.headers.get('Date', 'nothing')}; "
                "else take a plan that includes the request, or ask for a time within the plan's history"
            )
        case 404:
            return VendorError(f"Polygon does not know what was asked for ({said}); check ticker and base address")
        case 429:
            return RateLimitedError(
                f"Polygon's rate limit is reached ({said}); watch fewer symbols or take a plan with more calls",
                _retry_after(answer),
            )
        case code if code == 408 or code >= 499:
            return VendorUnavailableError(
                f"Polygon has a problem of its own ({said}); it is worth another try later", _retry_after(answer)
            )
        case _:
            return VendorError(f"Polygon refused the request ({said})")


def _reason(body: bytes) -> str:
    """What the vendor says, under ``error`` or ``message``; it uses both."""
    try:
        said = msgspec.json.decode(body)
        body = str(said.get("error") or said.get("message") or said).encode(errors="replace")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError):
        pass
    return excerpt(body)


def excerpt(body: bytes) -> str:
    """The beginning of a body; an API key in an address is left out."""
    shown = re.sub(r"(?i)(apikey=)[^&\s\"']+", r"\1***", body[:1_000].decode(errors="replace"))
    return " ".join(shown[:160].split()) or "(empty)"


def _retry_after(answer: Answer) -> float | None:
    try:
        return Retry().get_retry_after(answer)
    except (InvalidHeader, ValueError, OverflowError):
        return None
