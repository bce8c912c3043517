"""Offsets are shown with what is wrong with them, and set back."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from include.surveillance import broker
from include.surveillance.broker import Transactions
from include.surveillance.cli import app
from include.surveillance.live import detector
from include.surveillance.places import Place
from tests.surveillance.live.partition_log import bar, detect, market, read_values
from tests.surveillance.live.partition_log import partition as partition


@pytest.fixture
def run(kafka, monkeypatch):
    monkeypatch.setattr(detector, "GROUP", "detector")

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["offsets", *arguments, "--kafka", kafka["bootstrap.servers"]])
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_an_offset_that_the_log_does_not_have_is_shown_as_such(kafka, partition, run):
    assert "not yet" in run("show")
    broker.commit(kafka, "detector", {(broker.BARS, partition): Place(5_000)})
    shown = run("show")
    assert "5,000" in shown
    assert f"detector: topic {broker.BARS} has lost messages that were consumed: of partition 0 those from 0" in shown


def test_offsets_are_shown_while_a_transaction_holds_newer_ones(kafka, partition, run):
    owner = Transactions(kafka, broker.BARS, "detector")
    with owner, owner.transaction():
        owner._send_offsets({(broker.BARS, partition): Place(1)})
        assert "not yet" in run("show")


def test_detection_that_is_reset_begins_anew_and_publishes_the_same_once_more(kafka, partition, run):
    broker.publish(kafka, market())
    detect(kafka, partition)
    alerts = read_values(kafka, partition, broker.ALERTS)
    assert alerts
    assert "detector goes on at the beginning of" in run("reset", "detector")
    assert detect(kafka, partition).bars == 150
    assert read_values(kafka, partition, broker.ALERTS) == [*alerts, *alerts]
    broker.publish(kafka, [bar(160)])
    run("reset", "detector", "--to", "end")
    assert detect(kafka, partition).bars == 0
