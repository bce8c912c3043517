"""What is told of the platform itself reaches people, or the log, whatever else has failed."""

from include.orchestration.operations import tell_operators


def test_without_a_database_every_channel_is_told_straight_away(webhook, slack, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("ALERT_CHANNELS", "email,webhook,slack")
    tell_operators("a cause", "the first error", {})
    assert sorted(request.path for request in webhook.taken) == ["/T0/B0/X", "/hook"]
    assert "could not send to channel email" in caplog.text
    assert "the first error" in caplog.text


def test_settings_that_cannot_be_read_do_not_hide_the_failure(monkeypatch, caplog):
    monkeypatch.setenv("ALERT_CHANNELS", "carrier pigeon")
    tell_operators("a cause", "the first error", {})
    assert "the first error" in caplog.text
