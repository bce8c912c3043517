"""The vendor's refusals as our errors: what it said, and what to do about it."""

from __future__ import annotations

import msgspec
from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import InvalidHeader

from .errors import RateLimitedError, SurveillanceError, VendorError, VendorUnavailableError

FIX_KEY = "put a valid key into POLYGON_API_KEY, or into the password of Airflow connection polygon_default"
FIX_URL = "correct POLYGON_BASE_URL, the host of Airflow connection polygon_default, or the network"


def refusal(response: BaseHTTPResponse) -> SurveillanceError:
    """The error for an answer other than 200."""
    said = f"{response.status}: {_reason(response.data)}"
    match response.status:
        case 401:
            return VendorError(f"Polygon refused the API key ({said}); {FIX_KEY}")
        case 400 if "API Key" in said:
            return VendorError(f"Polygon got no API key ({said}); {FIX_KEY}")
        case 403:
            return VendorError(
                f"this key is not entitled to the request ({said}); take a plan that includes it, or ask for a time "
                "that is neither in the future nor before the plan's history"
            )
        case 404:
            return VendorError(f"Polygon does not know what was asked for ({said}); check ticker and base address")
        case 429:
            return RateLimitedError(
                f"Polygon's rate limit is reached ({said}); watch fewer symbols or take a plan with more calls",
                _retry_after(response),
            )
        case code if code >= 499:
            return VendorUnavailableError(f"Polygon has a problem of its own ({said}); it is worth another try later")
        case _:
            return VendorError(f"Polygon refused the request ({said})")


def _reason(body: bytes) -> str:
    try:
        said = msgspec.json.decode(body)
        return str(said.get("error") or said.get("message") or said)
    except (msgspec.DecodeError, UnicodeDecodeError, AttributeError):
        return excerpt(body)


def excerpt(body: bytes) -> str:
    return " ".join(body[:160].decode(errors="replace").split()) or "(empty)"


def _retry_after(response: BaseHTTPResponse) -> float | None:
    try:
        return Retry().get_retry_after(response)
    except InvalidHeader:
        return None
