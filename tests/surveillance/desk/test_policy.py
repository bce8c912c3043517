"""The desk's policy: what is shipped is usable, and what is not is refused with its file's name."""

from __future__ import annotations

import pytest

from include.surveillance.desk.policy import Policy
from include.surveillance.errors import ActRefusedError, ConfigurationError
from include.surveillance.settings import Settings

GOOD = """
second_signature_from: high
longest_silence_days: 7
most_attachment_bytes: 1000
reasons:
  - {code: usual, disposition: false positive, text: Usual}
"""


def test_the_shipped_one_has_reasons_of_each_disposition():
    policy = Policy.load(Settings().desk_policy_file)
    assert {reason.disposition for reason in policy.reasons} == {"true positive", "false positive", "no verdict"}
    assert policy.find_reason("usual").disposition == "false positive"


@pytest.mark.parametrize(
    ("least", "wanted"),
    [("high", ["high", "critical"]), ("low", ["low", "medium", "high", "critical"]), ("null", [])],
)
def test_the_second_signature_is_a_matter_of_severity(tmp_path, least, wanted):
    (tmp_path / "policy.yaml").write_text(GOOD.replace("high", least))
    policy = Policy.load(tmp_path / "policy.yaml")
    assert [one for one in ("low", "medium", "high", "critical") if policy.wants_second_signature(one)] == wanted


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("high", "huge"),
        lambda text: text.replace("false positive", "perhaps"),
        lambda text: text.replace("usual", "As Usual"),
        lambda text: text.replace("days: 7", "days: 0"),
        lambda text: text + "more: 1\n",
        lambda text: text + "  - {code: usual, disposition: no verdict, text: Again}\n",
        lambda text: text[: text.index("reasons")] + "reasons: []\n",
        lambda text: "{",
    ],
)
def test_an_unusable_file_is_named(tmp_path, spoil):
    (tmp_path / "policy.yaml").write_text(spoil(GOOD))
    with pytest.raises(ConfigurationError, match=r"policy\.yaml"):
        Policy.load(tmp_path / "policy.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        Policy.load(tmp_path / "none.yaml")


def test_an_unknown_reason_is_told_which_there_are(tmp_path):
    (tmp_path / "policy.yaml").write_text(GOOD)
    with pytest.raises(ActRefusedError, match=r"'because' is no reason .* one of usual"):
        Policy.load(tmp_path / "policy.yaml").find_reason("because")
