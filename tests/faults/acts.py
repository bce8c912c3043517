"""What people do at the desk while its server dies: whoever gets no answer sends the same again."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime, timedelta
from typing import Any

from include.desk_client import Desk, RefusedError

COUNT, AT_ONCE = 200, 8
# So many have an answer when the fault strikes.
STRUCK_AFTER = 60
# How often each is there, and how many rows of the audit log say so.
FOUND = """
    select name, sum(objects)::int, sum(entries)::int from (
        select title as name, 1 as objects, 0 as entries from cases
        union all select reason, 1, 0 from silences
        union all select coalesce(details, after ->> 'title'), 0, 1 from audit_log
        where (object_kind, event) in (('case', 'open'), ('silence', 'silence'))
    ) as found
    where starts_with(name, %s)
    group by name
"""

Ask = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]


class Acts:
    """Cases that are opened and silences that are made, each of a name of its own.

    Attributes:
        answered: the names of those that the desk said were done.
    """

    def __init__(self, desk: Desk):
        self._desk = desk
        self.prefix = f"acts {uuid.uuid4().hex} "
        self.answered: set[str] = set()

    def send(self, strike: Callable[[], object]) -> None:
        """Send them all, and strike when some are answered; return when each is done or refused."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            names = {pool.submit(self._act, number): self._name(number) for number in range(COUNT)}
            for future in as_completed(names):
                if future.result():
                    self.answered.add(names[future])
                    if len(self.answered) == STRUCK_AFTER:
                        strike()

    def compare(self, ask: Ask) -> list[str]:
        """Name what is wrong: one that was answered is there once, another once or not at all."""
        found = {name: tuple(counts) for name, *counts in ask(FOUND, [self.prefix])}
        wrong = []
        for name in map(self._name, range(COUNT)):
            there = found.get(name, (0, 0))
            if there != (1, 1) and (there != (0, 0) or name in self.answered):
                said = "answered" if name in self.answered else "not answered"
                wrong.append(f"{name}, {said}, is there {there[0]} times with {there[1]} rows of the audit log")
        return wrong

    def _act(self, number: int) -> bool:
        """Say whether the desk said that it is done."""
        name = self._name(number)
        try:
            if number % 2:
                self._desk.open_case(name)
            else:
                self._desk.silence(name, datetime.now(UTC) + timedelta(hours=1), symbol=name)
        except RefusedError as error:
            # 409: it was done, and its answer is lost. 503: its database was away.
            if error.status not in (409, 503):
                raise
            return error.status == 409
        return True

    def _name(self, number: int) -> str:
        return f"{self.prefix}{number}"
