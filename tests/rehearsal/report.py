"""A rehearsal as a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.rehearsal.rehearsal import Outcome

CORES = 2


def markdown(outcomes: Sequence[Outcome], about: Mapping[str, object], seconds: float) -> str:
    """Write what every step took, what the containers took, and what was not the real thing."""
    return "\n".join(_lines(outcomes, about, seconds)) + "\n"


HEAD = """# The rehearsal of Docker

`make rehearse` runs the project's own Dockerfile and docker-compose.yml, unchanged, on a real Docker Engine. It follows
[the page](../../start/docker.md), with the 24 symbols of the generated market, and fails when a step does.

{date}, {cpu}, {cores} cores, load {load_at_start} at the start, {minutes:.0f} minutes in all. Times are of that
machine, as busy as it was.

## What a user must have

Docker Engine 25 and Compose 2.24 or newer, 6 GB of memory for Docker, two processors, 10 GB of free disk.

## What each step took, in seconds
"""
KEPT = """- {store}: an image of {image_mib:,.0f} MiB; {alerts:,} alerts of the backfill. After `stop` and `up`
  all {kept:,} of them were there, unchanged, and {live:,} of live minutes."""
MEMORY = """
## Memory, in MiB

Idle is between two polls of the live market.
"""
CONSOLE = """
The highest values of the services are not of the same moment. AKHQ is not among them: it may take 512 MiB, of which its
heap has 192, and is left out where `COMPOSE_PROFILES` is empty.

## Health checks
"""
CHECKS = """- {store}: all checks together take {share:.1f} % of {cores} processors, a single one {least:.0f} to
  {most:.0f} ms with the engine's work for it. The whole platform took {platform:.0f} % in a quiet minute of the live
  market."""
DIFFERENCES = """
## What was not the real thing

There is no registry of images here. The images that the project builds on carry the names that it asks for, and are
made of packages, with start scripts of our own (`tests/rehearsal/standins/`):

| image | real | rehearsed |
|---|---|---|
| Astro Runtime `-base` | its own Debian, Python 3.12 and scripts | Debian 12, Python 3.11, tini, PyPI's uv |
| PostgreSQL | the official image | Debian 13's PostgreSQL 17 |
| Redis | the official image, 7.2 | Debian 13's Redis, which is newer |
| Apache Kafka | Alpine | Debian 13's Java 21, the same jars, the same wrapper for its settings |
| AKHQ | | left out: it is in no registry of packages |

So the rehearsal does not show that the real images exist, that their start scripts agree, or what they weigh. The
engine is real, and so are Compose, both image stores, networks, volumes, limits and health checks."""


def _lines(outcomes: Sequence[Outcome], about: Mapping[str, object], seconds: float) -> Iterator[str]:
    yield HEAD.format(**about, minutes=seconds / 60)
    engines = [f"{it.store}: Engine {it.versions['engine']}, Compose {it.versions['compose']}" for it in outcomes]
    steps = ([name, *(_number(it.took.get(name)) for it in outcomes)] for name in outcomes[0].took)
    yield from _table(["step", *engines], steps)
    yield ""
    for it in outcomes:
        yield KEPT.format(**vars(it))
        for error in it.passing:
            yield f"- {it.store}: an import error that the next look at the file cleared: `{error}`"
    yield MEMORY
    sizes = [size for it in outcomes for size in (it.usage.idle, it.usage.peak)]
    yield from _table(
        ["service", *(f"{it.store}, {what}" for it in outcomes for what in ("idle", "highest"))],
        ([name, *(_number(size.get(name)) for size in sizes)] for name in sorted(sizes[0])),
        ["**all**", *(f"**{_number(sum(size.values()))}**" for size in sizes)],
    )
    yield CONSOLE
    for it in outcomes:
        used, single = it.usage, it.usage.check_s.values()
        share, platform = (100 * processors / CORES for processors in (used.checks, used.platform))
        least, most = 1000 * min(single), 1000 * max(single)
        yield CHECKS.format(store=it.store, cores=CORES, share=share, platform=platform, least=least, most=most)
    yield DIFFERENCES


def _table(head: list[str], rows: Iterable[list[str]], *last: list[str]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|---|{'---:|' * (len(head) - 1)}"
    for row in (*rows, *last):
        yield f"| {' | '.join(row)} |"


def _number(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:,.0f}"
