"""Limits the calls to the vendor in any minute or second, counted over all processes that use one key."""

from __future__ import annotations

import logging
import time
from hashlib import sha256

from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from include.surveillance.errors import RateLimitedError

LOG = logging.getLogger(__name__)
# A second more than the vendor's minute: two calls need not be equally long on their way.
WINDOW_SECONDS = 61
REDIS_SECONDS = 1.0
# A Redis that is down is not asked again for so long: each try costs a call a second.
UNCOUNTED_SECONDS = 30.0


class RateLimit:
    """Counts the calls of one API key.

    A moving window, because the vendor allows so many calls in any minute: a token bucket lets nearly twice as many
    through in the minute in which it starts full. The times come from the machines' clocks; those of several machines
    must agree to a fraction of a second.

    Without Redis calls go out uncounted, with a warning in the log: the vendor's own 429 still protects the key, and
    detection needs bars more than it needs Redis.

    Args:
        redis_url: ``redis://host:port/database``, where the calls are counted.
        calls: what is allowed in any ``window_seconds``, at least 1.
        api_key: whose calls; Redis gets only a hash of it.
    """

    def __init__(self, redis_url: str, calls: int, api_key: str, *, window_seconds: int = WINDOW_SECONDS):
        self._allowed = RateLimitItemPerSecond(calls, window_seconds, namespace="polygon")
        self._uncounted_until = 0.0
        self._key = sha256(api_key.encode()).hexdigest()[:16]
        # Redis that does not answer must not hold up a poll.
        storage = RedisStorage(
            redis_url,
            wrap_exceptions=True,
            socket_connect_timeout=REDIS_SECONDS,
            socket_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # whatever it is, it is handed on to Redis' client
        )
        self._window = MovingWindowRateLimiter(storage)

    def count_call(self) -> None:
        """Count one call.

        Raises:
            RateLimitedError: too many calls already; ``retry_after`` says when the next is free.
        """
        if not (seconds := self.take()):
            return
        raise RateLimitedError(
            f"all {self._allowed.amount} calls of this minute are used, the next is free in {seconds:.0f} s; watch "
            "fewer symbols, or take a plan with more calls and raise POLYGON_CALLS_PER_MINUTE",
            seconds,
        )

    def take(self) -> float:
        """Count one call and return 0, or return after how many seconds the next one is free."""
        if time.monotonic() < self._uncounted_until:
            return 0.0
        try:
            if self._window.hit(self._allowed, self._key):
                return 0.0
            free_at = self._window.get_window_stats(self._allowed, self._key).reset_time
        except StorageError as error:
            LOG.warning("calls to Polygon are not counted, Redis does not answer (%s); check it", error.__cause__)
            self._uncounted_until = time.monotonic() + UNCOUNTED_SECONDS
            return 0.0
        # At its very end a window still holds its oldest call.
        return max(free_at - time.time(), 0) + 0.05
