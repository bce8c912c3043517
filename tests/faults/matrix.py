"""The faults, in the order in which they are inflicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from include.surveillance import failpoints
from tests.failpoints import arm
from tests.faults import infliction
from tests.faults.stage import Stage
from tests.sinks import Answer

COMPONENTS = (
    *("worker-poll", "worker-detect", "worker-batch"),
    *("triggerer", "scheduler", "dag-processor", "api-server", "execution-api"),
    *("kafka", "redis", "postgres", "warehouse", "simulator"),
)
WAYS = {"kill -9": infliction.kill, "restart": infliction.restart, "frozen 60 s": infliction.freeze}
STAGES = {
    "publishing": ("publish.",),
    "detection": ("detect.", "transaction."),
    "notification": ("notify.",),
    "landing": ("land.",),
}


@dataclass(frozen=True)
class Fault:
    """One row.

    Attributes:
        target: the component.
        points: fail points; at each of them one process dies, or a task hangs.
        inflict: does it, see ``infliction``.
        answer: of a channel that takes nothing.
        at_rest: strikes between two polls, when all that is on Kafka has been worked through and compared; the load
            comes after it.
        component: whose health belongs to recovery; None: nobody's but what the rest of recovery shows.
    """

    name: str
    inflict: Callable[[Stage, Fault], float]
    target: str = ""
    points: tuple[str, ...] = ()
    what: str = "die"
    component: str | None = None
    answer: Answer | None = None
    at_rest: bool = False

    def prepare(self, stage: Stage) -> None:
        for point in self.points:
            arm(stage.fail_points, point, self.what)

    def undo(self, stage: Stage) -> None:
        """Nobody may die later of what has not struck."""
        for point in self.points:
            (stage.fail_points / point).unlink(missing_ok=True)


def faults() -> list[Fault]:
    return [
        Fault("nothing", infliction.nothing),
        *(
            Fault(f"{name}: {way}", inflict, target=name, component=name)
            for way, inflict in WAYS.items()
            for name in COMPONENTS
        ),
        *(_deaths(stage, prefixes) for stage, prefixes in STAGES.items()),
        Fault(
            "a lane task past its time limit",
            infliction.outlive_limit,
            target="worker-poll",
            points=("poll.published",),
            what=failpoints.HANG,
        ),
        Fault(
            "api-server: kill -9 amid 200 acts",
            infliction.kill_amid_acts,
            target="api-server",
            component="api-server",
        ),
        Fault("two detectors", infliction.second_detector),
        Fault("webhook down", infliction.fail_channel, target="webhook", answer=Answer(503, {"Retry-After": "3"})),
        Fault("Slack down", infliction.fail_channel, target="slack", answer=Answer(reset=True)),
        Fault("SMTP down", infliction.fail_channel, target="email", answer=Answer(451)),
        Fault(
            "a redirecting webhook", infliction.fail_channel, target="webhook", answer=Answer(301, {"Location": "/"})
        ),
        Fault("two notifiers", infliction.second_notifier),
        Fault("tail of the log lost", infliction.lose_tail, component="kafka", at_rest=True),
        # The last one: what was on the topic before cannot be compared any more.
        Fault("topic made anew", infliction.make_topic_anew, at_rest=True),
    ]


def _deaths(stage: str, prefixes: tuple[str, ...]) -> Fault:
    """One after the other, for who comes after a death dies at the next point."""
    points = tuple(point for point in failpoints.POINTS if point.startswith(prefixes))
    name = f"{stage} dies at each of {len(points)} steps"
    return Fault(name, infliction.await_deaths, points=points)
