"""Alerts of breaks: one of each cause, whoever finds it and however often."""

from __future__ import annotations

from include.surveillance import wire
from include.surveillance.alerts.log_breaks import describe_breaks
from include.surveillance.alerts.messages import News, write_lines
from include.surveillance.places import Break, Cause, Place


def anew(partition: int, offset: int, topic: str = "bars", topic_id: str = "new") -> Break:
    return Break(topic, partition, Cause.MADE_ANEW, Place(offset, "former", 4, 2), Place(0, topic_id, 4))


def lost(partition: int, offset: int, epoch: int = 2) -> Break:
    stored = Place(offset, "id", 4, epoch)
    return Break("bars", partition, Cause.TAIL_LOST, stored, stored._replace(offset=40))


def ids(*breaks: Break, noticed_ms: int = 0) -> set[str]:
    return {alert.event_id for alert in describe_breaks(breaks, noticed_ms)}


def test_a_topic_made_anew_is_one_alert_for_all_its_partitions_and_consumers():
    one = ids(*(anew(partition, 100 + partition) for partition in range(4)))
    assert len(one) == 1
    assert ids(anew(2, 7), noticed_ms=1_000_000) == one
    assert ids(anew(2, 7, topic_id="newer")) != one
    assert ids(anew(2, 7, topic="news")) != one


def test_each_loss_is_one_alert():
    assert ids(lost(0, 100), lost(3, 90)) == ids(lost(1, 70), noticed_ms=5)
    assert ids(lost(0, 100, epoch=4)) != ids(lost(0, 100, epoch=2))


def test_people_are_told_of_each_in_a_line_that_says_what_follows():
    alerts = describe_breaks([anew(0, 100), lost(1, 90)._replace(topic="news")], 1_700_000_000_000)
    assert [wire.decode(wire.encode(alert)) for alert in alerts] == alerts
    anew_line, lost_line = (line.text for line in write_lines([News(alert) for alert in alerts]))
    assert anew_line == (
        "[critical] Topic bars was made anew; offset 100 was of the former one; what it holds is read from the "
        "beginning; where that was not intended, restore the former one."
    )
    assert lost_line.startswith("[critical] Topic news has lost messages that were consumed: of partition 1 those from")
