"""Desks that are open beside a run: pages of one headless Chromium, each on the queue with its stream of changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import httpx

from tests.benchmarks.platform.figures import Figure, Result, ratio
from tests.desk import browser, open_context

OPEN_SECONDS = 120
LOOK_MS = 500
# What the desks must leave as it is, by a tenth.
KEPT = ("bar on the topic to alert on the topic, p50", "bar on the topic to alert on the topic, p95")
TENTH = 1.1


@dataclass
class Desks:
    """What so many open desks have asked for.

    Attributes:
        asked, streams: requests, and those among them for the stream of changes.
        refused: answers of 400 and above, and requests that got none.
        shown: desks that show alerts at the end.
    """

    count: int
    asked: int = 0
    streams: int = 0
    refused: int = 0
    shown: int = 0

    def figures(self) -> list[Figure]:
        return [
            Figure("desks that show alerts at the end", self.shown, f"of {self.count}", least=self.count),
            Figure("requests of the desks", self.asked, "", least=self.count),
            Figure("streams of changes among them", self.streams, "", least=self.count),
            Figure("requests of the desks that were refused or failed", self.refused, "", most=0),
        ]


def sign_in(address: str, user: str, password: str) -> str:
    """Return a token of Airflow's for somebody."""
    login = {"username": user, "password": password}
    answer = httpx.post(f"{address}/auth/token", json=login, timeout=60).raise_for_status()
    return str(answer.json()["access_token"])


@contextmanager
def open_desks(address: str, token: str, count: int) -> Iterator[Desks]:
    """Keep so many desks open until the block ends.

    Raises:
        RuntimeError: they do not open; the message says why.
    """
    desks, opened, over, failures = Desks(count), Event(), Event(), list[BaseException]()

    def watch(page: Any) -> None:
        answered = []

        def ask(request: Any) -> None:
            desks.asked += 1
            desks.streams += request.url.endswith("/events")

        def answer(response: Any) -> None:
            answered.append(response.request)
            desks.refused += response.status >= 400

        def fail(request: Any) -> None:
            # What is under way when the desks are closed has not failed.
            desks.refused += request not in answered and not over.is_set()

        page.on("request", ask)
        page.on("response", answer)
        page.on("requestfailed", fail)

    def look() -> None:
        # A browser belongs to the thread that has started it.
        try:
            with browser() as chromium:
                pages = [open_context(chromium, address, token).new_page() for _ in range(count)]
                for page in pages:
                    watch(page)
                    page.goto(f"{address}/surveillance/")
                    page.wait_for_selector(".scroll")
                opened.set()
                while not over.is_set():
                    for page in pages:
                        page.wait_for_timeout(LOOK_MS / count)
                desks.shown = sum(page.locator("tr.row").count() > 0 for page in pages)
        except BaseException as error:  # noqa: BLE001 - it is raised where the desks were asked for
            failures.append(error)
            opened.set()

    thread = Thread(target=look, daemon=True)
    thread.start()
    opened.wait(OPEN_SECONDS)
    try:
        if not opened.is_set() or failures:
            raise RuntimeError(f"the desks do not open: {failures[0] if failures else 'they take too long'}")
        yield desks
    finally:
        over.set()
        thread.join(OPEN_SECONDS)
    if failures:
        raise RuntimeError(f"the desks did not stay open: {failures[0]}")


def compare(alone: Result, beside: Result) -> list[Figure]:
    """Return what the desks have made of detection's figures: each with them over the same without."""
    values = [{figure.name: figure.value for figure in result.figures} for result in (beside, alone)]
    return [
        Figure(f"{name}: with desks over without", ratio(*(it.get(name) for it in values)), "x", most=TENTH)
        for name in KEPT
    ]
