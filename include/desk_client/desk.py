"""The desk as scripts use it: docs/operate/people-and-rights.md says what each answer holds."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from include.desk_client.session import Session

ROOT = "/surveillance/api/v1"
PAGE = 500
Answer = dict[str, Any]


class Desk:
    """The desk of whoever is signed in.

    What gets no answer is asked again for ``patience_seconds``; an act has a key, by which it is done once.

    Raises:
        RefusedError: the desk refused; 409: somebody else was faster, or the act was done and its answer is lost.
        TransportError: httpx's, nobody has answered for so long.
    """

    def __init__(self, session: Session, patience_seconds: float = 30.0):
        self._session = session
        self._patience_seconds = patience_seconds

    def ask(self, path: str, **query: Any) -> Any:
        """Return what the desk answers to an address below its root."""
        return self._send("GET", path, params=query)

    def act(self, path: str, body: Answer) -> Any:
        """Do what a body asks for, once; return the answer."""
        headers = {"X-Surveillance": "script", "Idempotency-Key": uuid.uuid4().hex}
        return self._send("POST", path, json=body, headers=headers)

    def alerts(self, **filters: Any) -> Iterator[Answer]:
        """Yield the rows of all alerts that match, page by page; of the live market where nothing else is asked for."""
        page = self.ask("alerts", **filters, limit=PAGE)
        yield from page["alerts"]
        while page["next"]:
            page = self.ask("alerts", **filters, limit=PAGE, after=page["next"])
            yield from page["alerts"]

    def alert(self, alert_id: str) -> Answer:
        """Return all that is known of one alert."""
        return self.ask(f"alerts/{quote(alert_id, safe='')}")

    def take(self, alerts: Iterable[Answer]) -> list[Answer]:
        """Make alerts one's own, at most 500 as they were seen; return them as they are then."""
        return self._decide("take", alerts)

    def dispose(self, alerts: Iterable[Answer], reason: str, text: str | None = None) -> list[Answer]:
        """Close alerts for a reason of the policy, or propose it; as ``take``."""
        return self._decide("close", alerts, reason=reason, text=text)

    def note(self, alerts: Iterable[Answer], text: str) -> None:
        """Write a note on alerts, at most 500."""
        self.act("reviews/note", {"alerts": [alert["alert_id"] for alert in alerts], "text": text})

    def silences(self) -> list[Answer]:
        """List the silences, the one that ends last first."""
        return self.ask("silences")["silences"]

    def silence(self, reason: str, ends_at: datetime, **matcher: str) -> int:
        """Let people not be told of alerts of a rule or a symbol until then; return the silence's number."""
        return self.act("silences", {"reason": reason, "ends_at": ends_at.isoformat(), **matcher})["silence_id"]

    def end_silence(self, number: int) -> Answer:
        """End a silence now; return it."""
        return self.act(f"silences/{number}/end", {})

    def cases(self, **filters: Any) -> Iterator[Answer]:
        """Yield the cases that match, the newest first."""
        while found := self.ask("cases", **filters, limit=PAGE)["cases"]:
            yield from found
            filters |= {"before": found[-1]["case_id"]}

    def open_case(self, title: str, narrative: str = "", alerts: Iterable[Answer] = ()) -> int:
        """Open a case; return its number."""
        ids = [alert["alert_id"] for alert in alerts]
        return self.act("cases", {"title": title, "narrative": narrative, "alerts": ids})["case_id"]

    def _decide(self, name: str, alerts: Iterable[Answer], **body: Any) -> list[Answer]:
        seen = list(alerts)
        versions = {alert["alert_id"]: alert["version"] for alert in seen}
        reviews = self.act(f"reviews/{name}", {"alerts": versions, **body})["reviews"]
        return [alert | reviews[alert["alert_id"]] for alert in seen]

    def _send(self, method: str, path: str, **options: Any) -> Any:
        again = Retrying(
            retry=retry_if_exception_type(httpx.TransportError),
            wait=wait_exponential(0.1, max=2.0),
            stop=stop_after_delay(self._patience_seconds),
            reraise=True,
        )
        return again(self._session.ask, method, f"{ROOT}/{path}", **options)
