"""supervisord as it is, but that each line of a component's log begins with a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from supervisor import dispatchers, supervisord

# As Airflow, Kafka and PostgreSQL begin their lines, also within brackets.
TIMED = re.compile(rb"\W?\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
# What is still no line then is written as one.
LONGEST_LINE = 64 * 1024


class TimedOutput(dispatchers.POutputDispatcher):
    """Writes a component's output by whole lines; one without a time of its own gets that of its arrival."""

    _begun = b""

    def _log(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        if len(self._begun) > LONGEST_LINE:
            lines, self._begun = [*lines, self._begun], b""
        super()._log(b"".join(self._time(line) for line in lines))

    def close(self) -> None:
        """Write what the component left unfinished, too."""
        if self._begun and not self.closed:
            self._log(b"\n")
        super().close()

    def _time(self, line: bytes) -> bytes:
        now = b"" if TIMED.match(line) else f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} ".encode()
        return (now + line).rstrip() + b"\n"


if __name__ == "__main__":
    dispatchers.POutputDispatcher = TimedOutput
    supervisord.main()
