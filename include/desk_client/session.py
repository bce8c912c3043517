"""Asks Airflow's API server, and whatever its plugins serve there, as somebody who is signed in."""

from __future__ import annotations

from typing import Any

import httpx

from include.surveillance.errors import SurveillanceError

SECONDS = 30.0


class RefusedError(SurveillanceError):
    """The server refused what was asked; the message carries its own answer.

    Attributes:
        status: HTTP's.
        answer: what the server said, where that was JSON.
    """

    def __init__(self, message: str, status: int, answer: Any = None):
        super().__init__(message)
        self.status, self.answer = status, answer


class Session:
    """The server at ``base_url``, signed in as ``user``; the token is renewed when it runs out. Threads may share it.

    Raises:
        RefusedError: the server refused the sign-in.
    """

    def __init__(self, base_url: str, user: str, password: str):
        self._credentials = {"username": user, "password": password}
        self._http = httpx.Client(base_url=base_url, timeout=SECONDS)
        self._sign_in()

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Return what the server answers, as JSON says it; None where it has nothing to say.

        Args:
            options: httpx's.

        Raises:
            RefusedError: it refused.
            SurveillanceError: nothing of ours is there.
            TransportError: httpx's, there was no answer.
        """
        answer = self._http.request(method, path, **options)
        if answer.status_code == 401:
            self._sign_in()
            answer = self._http.request(method, path, **options)
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        if answer.status_code >= 400:
            text = f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:500]}"
            raise RefusedError(text, answer.status_code, answer.json() if is_json else None)
        if answer.status_code == 204:
            return None
        if not is_json:
            raise SurveillanceError(f"Airflow has no {path}: its plugins did not load; api-server.log says why")
        return answer.json()

    def _sign_in(self) -> None:
        answer = self._http.post("/auth/token", json=self._credentials)
        if answer.status_code >= 400:
            text = f"Airflow refused the sign-in of {self._credentials['username']!r}: {answer.text}"
            raise RefusedError(text, answer.status_code)
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
