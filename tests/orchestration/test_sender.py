"""Senders on a real PostgreSQL: each channel by itself, each alert once, whatever channels answer."""

import json
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.orchestration import connections, notifier, sender
from include.orchestration.application import outbox
from include.orchestration.application.outbox import Waiting
from include.orchestration.application.reviews import select_alert
from include.orchestration.channels import Channel
from include.orchestration.sender import Limits, Sender, choose_next, open_sender
from include.surveillance.alerts.latency import LatencyStamps
from include.surveillance.errors import ChannelError, MessageRefusedError
from include.surveillance.severities import SEVERITIES
from include.surveillance.timespans import to_ms
from tests.orchestration.conftest import alert, transaction
from tests.sinks import Answer

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LIMITS = Limits(timedelta(minutes=30), 60)


def queue(alerts, *, channels="slack", known=NOW):
    """Store the alerts and queue what channels are to be told, as messages that Kafka stored then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALERT_CHANNELS", channels)
        patch.setattr(notifier, "now_ms", lambda: to_ms(known))
        stamps = {it.event_id: LatencyStamps(published_ms=to_ms(known)) for it in alerts}
        return notifier.notify(alerts, stamps=stamps)


def outcomes(columns="channel, outcome"):
    with transaction() as cursor:
        cursor.execute(f"select {columns} from outbox order by outbox_id")
        return cursor.fetchall()


class Told(Channel):
    """Keeps what it takes; ``answer`` raises what it refuses."""

    conn_id, limit_bytes = None, 24_000

    def __init__(self, name="slack"):
        self.name, self.messages, self.answer = name, [], lambda message: None

    def encode(self, message):
        return message.text.encode()

    def post(self, message):
        self.answer(message)
        self.messages.append(message)

    @property
    def lines(self):
        return [line for message in self.messages for line in message.lines[:-1]]


@pytest.fixture
def opened(database):
    """A function that opens the sender of a channel, with a connection of its own."""
    with ExitStack() as stack:

        def open_one(channel, others=(), limits=LIMITS):
            connection = stack.enter_context(connections.application_database())
            return Sender(connection, channel, limits, others)

        yield open_one


def drain(one, now=NOW, seconds=1):
    """Let a sender work for so long, a look a second."""
    for second in range(seconds):
        while one.send_next(now + second * SECOND):
            pass
    return now + seconds * SECOND


def down(message):
    raise ChannelError("answered 500")


def test_an_alert_is_told_once_and_the_page_says_by_whom(opened):
    queue([alert()], channels="slack,webhook")
    told = Told()
    drain(opened(told), seconds=5)
    assert told.lines == ["[high] ACME opened 3.1 % above the previous close"]
    assert told.messages[0].lines[-1].endswith("/plugin/surveillance")
    assert outcomes() == [("slack", "told"), ("webhook", None)]
    row = select_alert(alert().event_id)
    assert [(it["channel"], it["outcome"]) for it in row["told"]] == [("slack", "told"), ("webhook", None)]


def test_each_line_leads_to_its_alert_and_to_what_may_be_done_with_it(opened):
    withdrawn = alert("GONE", status="retracted")
    queue([alert(), alert("GONE")])
    told = Told()
    one = opened(told)
    drain(one)
    later = NOW + timedelta(minutes=1)
    queue([withdrawn], known=later)
    drain(one, later)
    lines = [line for message in told.messages for line in message.alerts]
    assert [line.text.split()[:2] for line in lines] == [["[high]", "ACME"], ["[high]", "GONE"], ["withdrawn:", "GONE"]]
    assert [line.alert_id for line in lines] == [alert().event_id, alert("GONE").event_id, ""]
    for line, of in zip(lines, (alert(), withdrawn, withdrawn), strict=True):
        address = urlsplit(line.link)
        assert address.path == "/plugin/surveillance"
        assert parse_qs(address.query) == {"screen": ["alert"], "id": [of.event_id]}
    records = [record for message in told.messages for record in message.detail["alerts"]]
    assert [record["link"] for record in records] == [line.link for line in lines]


def test_a_broken_channel_disturbs_no_other(opened):
    queue([alert()], channels="slack,webhook")
    good, bad = Told("slack"), Told("webhook")
    bad.answer = down
    senders = opened(good, ["webhook"]), opened(bad, ["slack"])
    for second in range(120):
        for one in senders:
            one.send_next(NOW + second * SECOND)
    assert good.lines[0] == "[high] ACME opened 3.1 % above the previous close"
    # And it is told, once, by the channel that is well.
    assert [message.text.partition(" since")[0] for message in good.messages[1:]] == [
        "Channel webhook has taken no message"
    ]
    bad.answer = lambda message: None
    drain(senders[1], NOW + timedelta(minutes=3))
    assert bad.lines == ["[high] ACME opened 3.1 % above the previous close"]
    drain(senders[0], NOW + timedelta(minutes=3))
    assert good.messages[2].text == "Channel webhook takes messages again, after 3 min"


def test_attempts_are_further_and_further_apart_up_to_a_minute(opened):
    queue([alert()])
    attempts, channel = [], Told()

    def refuse(message):
        attempts.append(second)
        raise ChannelError("answered 503")

    channel.answer = refuse
    one = opened(channel)
    for second in range(300):
        one.send_next(NOW + second * SECOND)
    gaps = [b - a for a, b in pairwise(attempts)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_retry_after_is_honoured(opened):
    queue([alert()])
    channel, attempts = Told(), []

    def refuse(message):
        attempts.append(second)
        raise ChannelError("answered 429", retry_after=100)

    channel.answer = refuse
    one = opened(channel)
    for second in range(205):
        one.send_next(NOW + second * SECOND)
    assert attempts == [0, 100, 200]


def test_a_limit_of_size_is_found_and_all_is_told(opened):
    queue([alert(f"S{number}") for number in range(50)])
    channel = Told()

    def small(message):
        if len(message.text) > 300:
            raise MessageRefusedError("answered 413")

    channel.answer = small
    drain(opened(channel), seconds=10)
    assert len(channel.lines) == len(set(channel.lines)) == 50
    assert len(channel.messages) < 50


def test_messages_hold_what_the_channel_is_known_to_take(opened):
    queue([alert(f"S{number}") for number in range(50)])
    channel = Told()
    channel.limit_bytes = 400
    drain(opened(channel))
    assert max(len(channel.encode(message)) for message in channel.messages) <= 400
    assert len(channel.lines) == len(set(channel.lines)) == 50


def test_what_alone_is_refused_is_given_up_while_all_else_is_told(opened):
    queue([alert(f"S{number}") for number in range(20)], channels="slack,webhook")
    channel, other = Told("webhook"), Told("slack")

    def picky(message):
        if "S7 " in message.text:
            raise MessageRefusedError("answered 400")

    channel.answer = picky
    one, healthy = opened(channel, ["slack"]), opened(other)
    now = drain(one, seconds=10)
    assert len(channel.lines) == 19
    queue([alert("LATER")], channels="slack,webhook", known=now)
    drain(one, now, seconds=120)
    assert len(channel.lines) == 20
    assert outcomes("subject like '%%|S7|%%', outcome").count((True, "refused")) == 1
    drain(healthy, now, seconds=121)
    assert "webhook" not in other.lines
    assert any("S7 opened" in message.text and "not told of there" in message.text for message in other.messages)


def test_a_channel_that_refuses_everything_gives_up_nothing(opened):
    queue([alert(), alert("ZVZZT")])
    channel = Told()

    def refuse(message):
        raise MessageRefusedError("answered 400")

    channel.answer = refuse
    one = opened(channel)
    now = drain(one, seconds=1_000)
    assert {outcome for _, outcome in outcomes()} == {None}
    channel.answer = lambda message: None
    drain(one, now, seconds=70)
    assert len(channel.lines) >= 2


def test_what_waited_for_too_long_is_one_digest(opened):
    queue([*(alert(f"S{number}") for number in range(12)), *(alert(f"T{n}", severity="medium") for n in range(25))])
    queue([alert("NEW")], known=NOW + timedelta(minutes=31))
    channel = Told()
    drain(opened(channel), NOW + timedelta(minutes=31))
    assert channel.lines == [
        "37 alerts older than 30 min: 12 high, 25 medium",
        "[high] NEW opened 3.1 % above the previous close",
    ]
    assert channel.messages[0].detail["severities"] == {"medium": 25, "high": 12}
    assert len(outcomes()) == 38


def test_a_storm_is_the_most_severe_ones_and_a_digest_a_minute(opened):
    queue([alert(f"S{n}", severity="medium") for n in range(50)] + [alert("WORST", severity="critical", score=99.0)])
    channel = Told()
    one = opened(channel, limits=Limits(timedelta(minutes=30), 10))
    drain(one)
    assert channel.lines[0].startswith("[critical] WORST")
    assert len(channel.lines) == 11
    assert channel.lines[-1] == "41 alerts more within a minute: 41 medium"
    for second in range(1, 50):
        queue([alert(f"T{second}")], known=NOW + second * SECOND)
        one.send_next(NOW + second * SECOND)
    assert len(channel.lines) == 11
    drain(one, NOW + 60 * SECOND, seconds=2)
    assert len(channel.lines) in (21, 22)
    drain(one, NOW + 62 * SECOND, seconds=70)
    assert {outcome for _, outcome in outcomes()} == {"told", "digest"}


def test_a_channel_is_told_from_its_severity_on_and_of_what_becomes_of_it(opened):
    queue([alert(severity="low"), alert("ZVZZT")], channels="slack:high,webhook")
    assert outcomes("channel, severity") == [("webhook", "low"), ("slack", "high"), ("webhook", "high")]
    risen = alert(severity="critical", status="refired", firings=2)
    queue([risen], channels="slack:high,webhook", known=NOW + SECOND)
    # Withdrawn while it is low again: told to whoever was told of it.
    gone = alert(severity="low", status="retracted", firings=2)
    queue([gone], channels="slack:high,webhook", known=NOW + 2 * SECOND)
    some = Told("slack")
    drain(opened(some))
    assert "withdrawn: ACME opened 3.1 % above the previous close" in some.lines
    assert outcomes("channel, status, message->>'was'")[3:5] == [
        ("slack", "refired", None), ("webhook", "refired", "low")
    ]  # fmt: skip


def test_an_alert_below_every_channels_severity_says_so(database):
    queue([alert(severity="low")], channels="slack:high")
    row = select_alert(alert().event_id)
    assert (row["told"], outcomes()) == ([], [])
    assert row["notification"].startswith("no message is there: below the severity of every channel")


def test_the_same_messages_read_again_after_a_restore_are_told_once(opened):
    told = Told()
    one = opened(told)
    batch = [alert(f"S{number}") for number in range(5)]
    queue(batch)
    drain(one)
    with transaction() as cursor:
        cursor.execute("truncate alerts")  # from a copy that is older than the messages
    queue(batch)
    drain(one)
    assert len(told.lines) == 5
    with transaction() as cursor:
        cursor.execute("truncate alerts, outbox, channels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALERT_CHANNELS", "slack")
        stamps = {it.event_id: LatencyStamps(published_ms=to_ms(NOW)) for it in batch}
        notifier.notify(batch, stamps=stamps)
    drain(one, NOW + timedelta(hours=5))
    assert told.lines[5:] == ["5 alerts older than 30 min: 5 high"]


def test_two_senders_of_a_channel_at_once_tell_once(database, sink, monkeypatch):
    connection = {"conn_type": "http", "host": sink.url}
    monkeypatch.setenv("AIRFLOW_CONN_WEBHOOK_ALERTS", json.dumps(connection))
    sink.answer = lambda request: Answer(hang_seconds=0.05)
    threads = 6
    monkeypatch.setenv("ALERT_CHANNELS", "webhook")
    batch = [alert(f"S{number}") for number in range(30)]
    now, barrier = datetime.now(UTC), threading.Barrier(threads)

    def work():
        barrier.wait()
        notifier.notify(batch, stamps={it.event_id: LatencyStamps(published_ms=to_ms(now)) for it in batch})
        with open_sender("webhook") as one:
            for _ in range(5):
                one.send_next(datetime.now(UTC))

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with open_sender("webhook") as one:
        drain(one, datetime.now(UTC))
    told = [record["event_id"] for request in sink.taken for record in request.json["alerts"]]
    assert sorted(told) == sorted(it.event_id for it in batch)


def test_who_lost_the_lock_with_its_connection_sends_nothing(opened):
    queue([alert()])
    channel = Told()
    first, second = opened(channel), opened(channel)
    first.send_next(NOW - SECOND)
    assert second.send_next(NOW) == {}
    with first.database.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with transaction() as cursor:
        cursor.execute("select pg_terminate_backend(%(pid)s)", {"pid": pid})
    with pytest.raises(Exception, match=r"terminat|closed|connection"):
        first.send_next(NOW)
    drain(second, seconds=2)
    assert len(channel.messages) == 1


def test_a_missing_connection_is_told_and_counts_as_told_nowhere(database, monkeypatch):
    monkeypatch.setenv("ALERT_CHANNELS", "slack,log")
    queue([alert()], channels="slack")
    with open_sender("slack") as one:
        for second in range(30):
            one.send_next(NOW + second * SECOND)
    assert outcomes() == [("slack", None), ("log", None)]
    assert "connection slack_alerts is not defined" in outcomes("message->>'text'")[1][0]


def test_a_cause_is_told_at_once_and_then_with_its_count(opened):
    channel = Told()
    one = opened(channel)

    def occurs(second, text="Task land_raw.land failed\nhttp://airflow/log"):
        with transaction() as cursor:
            message = {"text": text, "detail": {"event": "task_failed"}}
            at = NOW + second * SECOND
            outbox.add_operations(cursor, ["slack"], "land_raw", f"run {second}", message, at)
            outbox.add_operations(cursor, ["slack"], "land_raw", f"run {second}", message, at)

    for second in range(0, 600, 60):
        occurs(second)
        drain(one, NOW + second * SECOND)
    drain(one, NOW + timedelta(minutes=16))
    assert [message.text for message in channel.messages] == [
        "Task land_raw.land failed\nhttp://airflow/log",
        "9 times since 15:01 UTC: Task land_raw.land failed\nhttp://airflow/log",
    ]
    assert channel.messages[1].detail == {"kind": "operations", "count": 9, "event": "task_failed"}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500), Answer(413), Answer(400), Answer(301, {"Location": "/"}), Answer(307, {"Location": "/"}),
        Answer(429, {"Retry-After": "2"}), Answer(reset=True), Answer(404),
    ],
)  # fmt: skip
def test_real_channels_tell_all_of_it_once_the_fault_is_over(database, webhook, answer, monkeypatch):
    queue([alert(f"S{number}") for number in range(40)], channels="webhook")
    webhook.answer = lambda request: answer
    monkeypatch.setenv("ALERT_CHANNELS", "webhook")
    with open_sender("webhook") as one:
        now = drain(one, seconds=20)
        assert webhook.taken == []
        webhook.answer = lambda request: Answer()
        drain(one, now, seconds=120)
    told = [record["event_id"] for request in webhook.taken for record in request.json.get("alerts", [])]
    assert sorted(told) == sorted({alert(f"S{number}").event_id for number in range(40)})


def test_hostile_texts_are_one_line_each_in_every_channel(database, monkeypatch, slack, email):
    title = "<!channel> X\n[critical] GOOD closed up 900 %, see <https://evil|portal>\r\u2028\u202e" + "x" * 100_000
    queue([alert(explanation=title), alert("ZVZZT")], channels="slack,email")
    for name in ("slack", "email"):
        with open_sender(name) as one:
            drain(one)
    (request,), (mail,) = slack.taken, email.taken
    lines = request.json["text"].splitlines()
    assert len(lines) == 3
    assert len(request.body) < 4_000
    assert "<" not in request.json["text"]
    (part,) = mail.iter_parts()
    assert len(part.get_content().strip().splitlines()) == 3
    assert "<https" not in part.get_content()


# --- any pattern of refusals


ANSWERS = st.sampled_from(["ok", "down", "refused", "later"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), batches=st.lists(st.integers(0, 12), min_size=1, max_size=4))
def test_whatever_a_channel_answers_it_gets_each_alert_and_a_healthy_one_exactly_once(database, data, batches):
    with transaction() as cursor:
        cursor.execute("truncate alerts, outbox, channels")
    healthy, faulty = Told("slack"), Told("webhook")
    pattern = iter(data.draw(st.lists(ANSWERS, max_size=40)))

    def answer(message):
        match next(pattern, "ok"):
            case "down":
                raise ChannelError("answered 500")
            case "later":
                raise ChannelError("answered 429", retry_after=7)
            case "refused":
                raise MessageRefusedError("answered 413")

    faulty.answer = answer
    expected, number = set(), 0
    with connections.application_database() as a, connections.application_database() as b:
        senders = (
            Sender(a, healthy, Limits(timedelta(days=9), 10_000), ["webhook"]),
            Sender(b, faulty, Limits(timedelta(days=9), 10_000), ["slack"]),
        )
        now = NOW
        for size in batches:
            batch = [alert(f"S{number + it}") for it in range(size)]
            number += size
            queue(batch, channels="slack,webhook", known=now)
            expected |= {it.event_id for it in batch}
            for _ in range(data.draw(st.integers(0, 20))):
                now += SECOND
                for one in senders:
                    one.send_next(now)
        for _ in range(300):
            now += 20 * SECOND
            for one in senders:
                while one.send_next(now):
                    pass
    for channel in (healthy, faulty):
        records = [it["event_id"] for message in channel.messages for it in message.detail.get("alerts", [])]
        # What it refused it did not take: nothing comes twice even there.
        assert sorted(records) == sorted(expected)


def test_a_message_has_the_same_key_again_and_no_other_one_has_it_after_a_restore():
    """A restored database numbers its rows as the lost one did; a receiver that knows the key would drop them."""
    first = Waiting(7, "alert", "a", "high", NOW, 0, "1773063000123", None)
    assert sender._key([first]) == sender._key([first._replace(outbox_id=8, refusals=1)])
    assert sender._key([first]) != sender._key([first._replace(subject="b")])
    assert sender._key([first]) != sender._key([first._replace(version="1773063000124")])
    assert sender._key([first, first._replace(subject="b")]) != sender._key([first])


ROWS = st.builds(
    Waiting,
    outbox_id=st.integers(1, 10**6),
    kind=st.sampled_from(["alert", "operations"]),
    subject=st.sampled_from(["a", "b", "c"]),
    severity=st.sampled_from(SEVERITIES),
    known_at=st.integers(0, 7_200).map(lambda seconds: NOW - seconds * SECOND),
    refusals=st.integers(0, 3),
    version=st.just("1"),
    told_at=st.none() | st.integers(0, 2_000).map(lambda seconds: NOW - seconds * SECOND),
)


@given(
    st.lists(ROWS, max_size=30, unique_by=lambda row: row.outbox_id),
    st.integers(0, 20),
    st.integers(1, 20),
    st.none() | st.integers(0, 59).map(lambda seconds: NOW - seconds * SECOND),
)
def test_something_is_sent_or_all_that_waits_has_a_reason(waiting, told, storm, digest_at):
    choice = choose_next(waiting, NOW, Limits(timedelta(minutes=30), storm), told, digest_at)
    held = [row for rows, until in choice.held for row in rows]
    assert all(until > NOW for _, until in choice.held)
    assert set(choice.rows) <= set(waiting)
    assert not set(choice.rows) & set(held)
    if not choice.rows:
        assert set(held) == set(waiting)
    if choice.kind == "alerts":
        assert len(choice.rows) <= max(0, storm - told)
