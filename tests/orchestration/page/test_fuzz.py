"""Whatever is sent to the desk's interface, no answer is a 500, and each is as the interface describes it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import schemathesis
from fastapi import Request
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from include.orchestration import pulse as platform
from include.orchestration.application.cases import attach_file, store_case
from include.orchestration.application.database import migrate_database
from include.orchestration.application.evidence import store_evidence
from include.orchestration.application.silences import silence
from include.orchestration.page import pulse
from include.orchestration.page.desk import description
from include.surveillance.desk.cases import check_attachment, open_case
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.silences import Matcher
from include.surveillance.settings import Settings
from tests.fuzz.hostile import PIECES
from tests.orchestration.conftest import alert, store, transaction
from tests.orchestration.page.conftest import make_evidence

ROOT = "/surveillance"
EXAMPLES = 20
EMPTIED = "alerts, outbox, evidence, reviews, silences, cases, attachments, requests"
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
NEEDS_KAFKA = ("/bars", "/explain")
ALERTS = [alert("KO"), alert("A/B %2F?#é", severity="critical"), alert("PEP", explanation="".join(PIECES[:40]))]
IDS = [one.event_id for one in ALERTS]
SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
MOMENTS = [SOON, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "2026-02-30T00:00:00Z", "0", "1e400"]


def place(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


# Name of what is sent -> what gets farther than what is drawn by its type.
KNOWN = {
    "alert_id": IDS,
    "object_id": [*IDS, "1"],
    "alert": IDS,
    "alerts": [*({it: version} for it in IDS for version in (0, 1, 2)), IDS, IDS[:1]],
    "after": [place(True, score, at, "a") for score in (1e308, -0.0, 2**70) for at in MOMENTS],
    "version": [0, 1, 2, 3],
    "content": [base64.b64encode(content).decode() for content in (b"abc", b"abc", b"%PDF-1", b"\0")],
    "name": ["note.txt", "a.PDF", "../../x.csv"],
    "reason": ["usual", "escalated"],
    "symbol": ["KO"],
    "ends_at": [SOON] * 4 + MOMENTS,
    **dict.fromkeys(("since", "until"), MOMENTS),
    **{name: [1, 2] for name in ("number", "attachment")},
}
# What an address can hold: halves of a character only come in bodies.
HELD = [piece for piece in PIECES if not any("\ud800" <= char <= "\udfff" for char in piece)]
NUMBERS = [-1, 0, 2**31, 2**63 - 1, 2**63, 10**400]


def aim(case: schemathesis.Case, draw: Callable) -> None:
    """Let what is sent be what exists, or what hurts, more often than chance would."""
    for holder, texts in ((case.path_parameters, HELD), (case.query, HELD), (case.body, PIECES)):
        for name, value in holder.items() if isinstance(holder, dict) else ():
            how = draw(st.sampled_from(("known", "known", "hostile", "drawn")))
            if how == "known" and name in KNOWN:
                like = [it for it in KNOWN[name] if isinstance(it, type(value))]
                holder[name] = draw(st.sampled_from(like or KNOWN[name]))
            elif how == "hostile" and isinstance(value, str | int):
                holder[name] = draw(st.sampled_from(texts if isinstance(value, str) else NUMBERS))
            else:
                continue
            if holder is case.path_parameters and isinstance(holder[name], str):
                # With nothing or dots in its place the address is another operation's.
                holder[name] = quote(holder[name], safe="") if holder[name].strip(".") else "nobody's"


INTERFACE = schemathesis.openapi.from_dict(description(Request({"type": "http", "root_path": ROOT})))


@pytest.fixture(scope="module")
def filled(client, postgres, postgres_reader, postgres_desk):
    """A desk with alerts, evidence of one, a case with a file, a silence; Kafka is not configured."""
    with pytest.MonkeyPatch.context() as patch:
        logins = {"DB": postgres, "READER": postgres_reader, "DESK": postgres_desk}
        for name, login in logins.items():
            patch.setenv(f"AIRFLOW_CONN_SURVEILLANCE_{name}", login)
        patch.delenv("AIRFLOW_CONN_KAFKA_DEFAULT", raising=False)
        patch.setattr(pulse, "STREAM_SECONDS", 0.0)
        platform._kafka.cache_clear()
        migrate_database()
        with transaction() as cursor:
            cursor.execute(f"truncate {EMPTIED} restart identity")
        store(ALERTS)
        store_evidence([make_evidence(ALERTS[0])])
        policy, now = Policy.load(Settings().desk_policy_file), datetime.now(UTC)
        number = store_case(open_case("KO", "It moved.", IDS, "nina"))
        attach_file("nina", number, 0, check_attachment("note.txt", b"abc", policy), b"abc")
        silence("nina", Matcher(symbol="KO"), "why", now, now + timedelta(hours=1), policy)
        # What it loads at first takes longer than whoever asks here waits.
        platform.read_pulse(now)
        yield


@INTERFACE.given(data=st.data())
@INTERFACE.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_answer_is_other_than_described(case, data, filled, server, sign_in):
    aim(case, data.draw)
    headers = sign_in(data.draw(st.sampled_from(["Admin", "Analyst"]))) | {"X-Surveillance": "fuzz"}
    answer = case.call_and_validate(base_url=server + ROOT, headers=headers, checks=CHECKS)
    assert answer.status_code != 503 or case.path.endswith(NEEDS_KAFKA), answer.text
