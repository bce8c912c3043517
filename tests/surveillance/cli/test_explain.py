"""The command ``explain`` on the alerts of a small recording."""

from __future__ import annotations

from math import inf

import numpy as np
import pandas as pd
import pytest

from tests.surveillance.cli.recordings import run, stricter


def test_explain_reproduces_an_alert_or_says_what_differs(bars, replayed, tmp_path):
    alerts = pd.read_parquet(replayed)
    alert_id = alerts.loc[alerts["rule"] == "abnormal_volume", "event_id"].iloc[0]
    result = run("explain", alert_id, bars=bars, alerts=replayed)
    assert (result.exit_code, "Reproduced bit for bit" in result.output) == (0, True), result.output

    changed = alerts.copy()
    chosen = changed["event_id"] == alert_id
    changed.loc[chosen, "value"] = np.nextafter(changed.loc[chosen, "value"], inf)
    changed.to_parquet(tmp_path / "alerts.parquet")
    result = run("explain", alert_id, bars=bars, rules="literal", alerts=tmp_path / "alerts.parquet")
    assert (result.exit_code, "DIFFERS" in result.output, "value" in result.output) == (1, True, True)
    assert "score" not in result.output.split("DIFFERS")[1]

    nowhere = alert_id.replace("|minute|", "|day|")
    result = run("explain", nowhere, bars=bars, rules="literal", alerts=replayed)
    assert (result.exit_code, "is not raised by these inputs" in result.output) == (1, True)
    result = run("explain", alert_id, bars=bars, rules="literal", alerts=replayed, params=stricter(tmp_path))
    assert (result.exit_code, "NOT REPRODUCED" in result.output) == (1, True)


def test_explain_of_a_robust_alert(bars, tmp_path):
    assert run("replay", bars=bars, out=tmp_path).exit_code == 0
    alerts = pd.read_parquet(tmp_path / "alerts.parquet")
    robust = alerts[alerts["form"] == "robust"]
    assert len(robust)
    for alert_id in robust["event_id"].unique()[:2]:
        result = run("explain", alert_id, bars=bars, alerts=tmp_path / "alerts.parquet")
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("alert_id", ["nonsense", "a|b|c", "||||"])
def test_explain_of_what_is_no_id(alert_id, bars):
    result = run("explain", alert_id, bars=bars)
    assert (result.exit_code, "is no alert's id" in result.output) == (1, True)


def test_explain_of_an_unknown_symbol_and_of_nothing(bars):
    unknown = run("explain", "price_gap|MOON|minute|1|v1", bars=bars)
    assert (unknown.exit_code, "has no bar of MOON" in unknown.output) == (1, True)
    nothing = run("explain", "price_gap|KO|minute|1|v1")
    assert (nothing.exit_code, "either --bars FILE or --kafka" in nothing.output) == (1, True)
