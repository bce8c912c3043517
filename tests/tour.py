"""A tour of the desk in a real browser, on a running Airflow: ``python -m tests.tour`` (``make tour``).

People of each role sign in at Airflow's own form and do what they are there for; each step says what it has seen, fails
where that is wrong, and leaves a picture. What the tour writes stays: reviews, a case, and a silence that has ended.
"""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from PIL import Image

from tests.desk import WIDE, browser, wait_until
from tests.paths import ROOT
from tests.rights import DESK, USERS

PICTURES = ROOT / "docs" / "how" / "desk"
# Part in the tour -> role. Whoever audits sees all of it and changes nothing, as every viewer does.
PARTS = {"newcomer": "Analyst", "lead": "Lead", "auditor": "Viewer", "viewer": "Viewer"}
PAGE = "/plugin/surveillance"
TEN, THREE, CLICKS = 10, 3, 5
WAIT_MS = 60_000
# What the page offers to nobody who may only look.
OFFERS = re.compile("^(Take|Assign|Put back|Close|Sign|Send back|Reopen|Note|Escalate|Silence|End|New|Edit|Submit)")
# The rows, or that there is none.
SHOWN = """
    document.querySelector("tr.row")
    || [...document.querySelectorAll(".scroll .empty")].some((it) => !it.textContent.startsWith("Loading"))
"""
ASK = """
    async ([path, body]) => {
      const headers = body ? { "Content-Type": "application/json", "X-Surveillance": "page" } : {};
      const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
      return [answer.status, await answer.json().catch(() => null)];
    }
"""


@dataclass(frozen=True)
class Person:
    """Who takes a part: the name with which he signs in, and his password."""

    name: str
    password: str


@dataclass
class Hand:
    """Presses what is shown, and counts."""

    clicks: int = 0

    def click(self, what: Any) -> None:
        what.click()
        self.clicks += 1


@dataclass
class Tour:
    """One walk through the desk.

    Attributes:
        address: of the running Airflow, without a slash at the end.
        people: part -> who takes it.
        pictures: the folder that gets them.
        say: gets one sentence for each step.
        wrong: what browsers complained of.
    """

    address: str
    people: dict[str, Person]
    chromium: Any
    pictures: Path
    say: Callable[[str], object]
    wrong: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Take every step.

        Raises:
            AssertionError: what is seen is not what it should be.
        """
        self.pictures.mkdir(parents=True, exist_ok=True)
        with self.signed_in("newcomer") as page:
            ten = self.triage(page)
            alert = self.investigate(page, ten)
            self.close(page, alert)
            self.silence(page)
            case = self.open_case(page, [it for it in ten if it != alert])
        with self.signed_in("lead") as page:
            self.sign(page, case)
        with self.signed_in("auditor") as page:
            self.audit(page, alert, case)
        with self.signed_in("viewer") as page:
            self.refuse(page)
        with self.signed_in("lead") as page:
            self.end_silence(page)
        assert self.wrong == [], "\n".join(self.wrong)

    @contextmanager
    def signed_in(self, part: str) -> Iterator[Any]:
        """Sign in at Airflow's form and go to the desk by Airflow's navigation; yields the page."""
        context = self.chromium.new_context(viewport=WIDE, color_scheme="light", accept_downloads=True)
        context.set_default_timeout(WAIT_MS)
        page, person = context.new_page(), self.people[part]
        try:
            page.goto(self.address)
            page.fill("[name=username]", person.name)
            page.fill("[name=password]", person.password)
            page.click("[type=submit]")
            page.get_by_text("Surveillance", exact=True).first.click()
            page.locator(".desk .person").get_by_text(person.name, exact=True).wait_for()
            # From here on: what Airflow's own pages complain of is not the desk's.
            page.on("console", lambda message: self._hear(message.type, message.text))
            page.on("pageerror", lambda error: self._hear("error", str(error)))
            yield page
        finally:
            context.close()

    def triage(self, page: Any) -> list[str]:
        """Take the ten most important alerts by keyboard; return their ids in the order of the queue."""
        self._go(page, "?state=open")
        wait_until(page, SHOWN)
        if page.locator("tr.row").count() < TEN:
            self.say(f"fewer than {TEN} alerts of the market are open: the ten are those of history")
            self._go(page, "?tab=history&state=open")
            page.locator("tr.row").first.wait_for()
        ten = []
        for number in range(TEN):
            row = page.locator(f'tr.row[aria-rowindex="{number + 2}"]')
            assert row.get_attribute("aria-current") == "true", f"the keyboard is not at row {number + 1}"
            page.keyboard.press("a")
            row.locator("td.state").get_by_text("in review").wait_for()
            assert row.locator("td.owner").inner_text() == self.people["newcomer"].name
            ten.append(row.get_attribute("data-alert"))
            page.keyboard.press("j")
        tags = page.locator("td.tag").all_inner_texts()[:TEN]
        unexplained = [tag == "unexplained" for tag in tags]
        assert unexplained == sorted(unexplained, reverse=True), f"what nothing explains comes first, not {tags}"
        self._picture(page, "1_triage")
        self.say(f"{self.people['newcomer'].name} has taken the {TEN} most important alerts by keyboard")
        return ten

    def investigate(self, page: Any, ten: list[str]) -> str:
        """Open the one with the most around it; return its id."""
        around = {}
        for alert in ten:
            _, answer = self._ask(page, f"alerts/{_quote(alert)}/bars")
            _, detail = self._ask(page, f"alerts/{_quote(alert)}")
            around[alert] = (detail["alert"]["severity"] != "critical", len(answer["news"]) > 0, len(answer["bars"]))
        alert = max(ten, key=lambda it: around[it])
        _, news, bars = around[alert]
        assert bars, "no alert of the ten has bars around it"
        page.locator(f'tr.row[data-alert="{alert}"] td.symbol a').click()
        page.locator(".chart canvas").first.wait_for()
        assert page.locator(".chart").get_attribute("aria-label").startswith(f"{bars} bars")
        for number in ("Value", "Threshold", "Baseline"):
            assert page.get_by_role("row", name=re.compile(f"^{number}")).is_visible()
        if news:
            assert page.locator(".news li").count() >= 1
        else:
            self.say("none of the ten has an article within two hours: the page says so")
            page.get_by_text("None within two hours before or after it.").wait_for()
        # The library draws after its script has come.
        page.wait_for_timeout(1_000)
        self._picture(page, "2_alert")
        self.say(f"sees {bars} bars, threshold and baseline, {'an article' if news else 'no article'}, the numbers")
        return alert

    def close(self, page: Any, alert: str) -> None:
        """Close it with a reason, from the queue on."""
        page.go_back()
        hand = Hand()
        row = page.locator(f'tr.row[data-alert="{alert}"]')
        hand.click(row.locator("td.symbol a"))
        hand.click(page.get_by_role("button", name="Close…", exact=True))
        dialog = page.get_by_role("dialog")
        button = dialog.locator("button[type=submit]")
        assert button.is_disabled(), "nothing is closed without a reason"
        hand.click(dialog.get_by_text("Abnormal, and no concern"))
        self._picture(page, "3_close")
        hand.click(button)
        dialog.wait_for(state="detached")
        page.locator(".alert-head").get_by_text(re.compile("closed|to sign")).wait_for()
        assert hand.clicks <= CLICKS, f"closing took {hand.clicks} clicks"
        self.say(f"has closed it with a reason in {hand.clicks} clicks from the queue")

    def silence(self, page: Any) -> None:
        """Silence a stale feed until tomorrow."""
        self._go(page, "?tab=operations&rule=feed_freshness")
        wait_until(page, "document.querySelector('.scroll').ariaBusy !== 'true'")
        if page.locator("tr.row").count():
            page.locator("tr.row").first.click()
            page.get_by_role("button", name="Silence…", exact=True).click()
        else:
            self.say("no feed is stale at the moment: the rule is silenced for whichever is next")
            self._go(page, "?screen=silences")
            page.get_by_role("button", name="New silence…").click()
            page.get_by_role("dialog").get_by_label("Rule").select_option("feed_freshness")
        dialog = page.get_by_role("dialog")
        assert dialog.get_by_label("Rule").input_value() == "feed_freshness"
        dialog.locator("label", has_text=re.compile("^For")).locator("select").select_option("24")
        dialog.get_by_label("Why").fill("The vendor works on it until tomorrow")
        dialog.get_by_text("In the last seven days it would have kept").wait_for()
        self._picture(page, "4_silence")
        dialog.get_by_role("button", name="Silence", exact=True).click()
        dialog.wait_for(state="detached")
        _, answer = self._ask(page, "silences")
        mine = [it for it in answer["silences"] if it["author"] == self.people["newcomer"].name and not it["ended_by"]]
        left = datetime.fromisoformat(mine[0]["ends_at"]) - datetime.fromisoformat(answer["now"])
        assert mine[0]["matcher"]["rule"] == "feed_freshness"
        assert timedelta(hours=23) < left <= timedelta(hours=24, minutes=1)
        self.say("has silenced a stale feed until tomorrow, after seeing what that would have kept from people")

    def open_case(self, page: Any, alerts: list[str]) -> int:
        """Make a case of three alerts and take its PDF away; return its number."""
        owner = self.people["newcomer"].name
        source = self._ask(page, f"alerts/{_quote(alerts[0])}")[1]["alert"]["source"]
        tab = "&tab=history" if source == "backfill" else ""
        self._go(page, f"?state=in+review&owner={owner}{tab}")
        for alert in alerts[:THREE]:
            page.locator(f'tr.row[data-alert="{alert}"]').get_by_role("checkbox").click()
        page.keyboard.press("e")
        dialog = page.get_by_role("dialog", name=f"Escalate {THREE} alerts")
        dialog.get_by_label("Title").fill("Three that moved together")
        dialog.get_by_label("Narrative").fill("They moved within one hour and nothing explains it. Who traded?")
        dialog.get_by_role("button", name="Open a case").click()
        page.get_by_role("heading", name="Three that moved together").wait_for()
        number = int(re.search(r"[?&]id=(\d+)", page.url)[1])
        rows = page.get_by_role("region", name="Alerts of the case").locator("tbody tr")
        rows.nth(THREE - 1).locator("td.severity").wait_for()
        assert rows.count() == THREE
        with page.expect_download() as download:
            page.get_by_role("link", name="PDF", exact=True).click()
        assert download.value.path().read_bytes().startswith(b"%PDF-")
        page.get_by_role("button", name="Submit for signature").click()
        page.get_by_text(f"submitted by {owner}").wait_for()
        assert page.get_by_role("button", name="Sign and hand over").count() == 0, "nobody signs for himself"
        self._picture(page, "5_case")
        self.say(f"has made case {number} of {THREE} alerts, exported its PDF and submitted it")
        return number

    def sign(self, page: Any, case: int) -> None:
        """Sign the case as a second person."""
        self._go(page, f"?screen=case&id={case}")
        page.get_by_role("button", name="Sign and hand over").click()
        page.get_by_text(f"signed by {self.people['lead'].name}").wait_for()
        page.locator(".said").wait_for(state="hidden")
        self._picture(page, "6_signed")
        self.say(f"{self.people['lead'].name} has signed it")

    def audit(self, page: Any, alert: str, case: int) -> None:
        """See everything that was done, and be refused whatever would change it."""
        newcomer, lead, own = (self.people[part].name for part in ("newcomer", "lead", "auditor"))
        for query, seen in {
            "": "Severity",
            "?screen=cases": "Three that moved together",
            f"?screen=case&id={case}": f"signed by {lead}",
            "?screen=silences": "The vendor works on it until tomorrow",
            f"?screen=alert&id={_quote(alert)}": "closed",
        }.items():
            self._go(page, query)
            page.locator(".desk main").get_by_text(seen).first.wait_for()
            assert page.locator(".desk main").get_by_role("button", name=OFFERS).count() == 0, f"{query} offers an act"
        history = page.locator("ol.changes")
        history.get_by_text(newcomer).first.wait_for()
        assert {"take", "close"} <= {word for word in ("take", "close") if word in history.inner_text()}
        self._picture(page, "7_audit")
        tries = {
            "reviews/take": {"alerts": {alert: 0}},
            "reviews/close": {"alerts": {alert: 0}, "reason": "usual"},
            "reviews/sign": {"alerts": {alert: 0}},
            "reviews/note": {"alerts": [alert], "text": "x"},
            "silences": {"rule": "price_gap", "reason": "x", "ends_at": "2100-01-01T00:00:00Z"},
            "cases": {"title": "x", "narrative": "", "alerts": [alert]},
            f"cases/{case}/sign": {"version": 1},
        }
        for path, body in tries.items():
            status, _ = self._ask(page, path, body)
            assert status == 403, f"{own} may POST {path}: {status}"
        _, answer = self._ask(page, "acts?object_kind=request&limit=10")
        refused = [it for it in answer["acts"] if it["actor"] == own and it["event"] == "refused"]
        assert len(refused) == len(tries), "each refused attempt is a row of the audit log"
        self.say(f"{own} sees it all and is refused all of {len(tries)} acts, each of them in the audit log")

    def refuse(self, page: Any) -> None:
        """Look at the queue as one who may not take."""
        self._go(page, "?state=open")
        row = page.locator("tr.row").first
        row.wait_for()
        alert = row.get_attribute("data-alert")
        page.keyboard.press("a")
        assert page.get_by_role("button", name=OFFERS).count() == 0
        self._picture(page, "8_viewer")
        assert self._ask(page, "reviews/take", {"alerts": {alert: 0}})[0] == 403
        assert self._ask(page, f"alerts/{_quote(alert)}")[1]["alert"]["state"] == "open"
        self.say(f"{self.people['viewer'].name} is offered no act and cannot take")

    def end_silence(self, page: Any) -> None:
        """Leave the platform as loud as it was."""
        self._go(page, "?screen=silences")
        row = page.get_by_role("row", name=re.compile("The vendor works on it until tomorrow")).first
        row.get_by_role("button", name=re.compile("^End the silence")).click()
        page.get_by_role("dialog").get_by_role("button", name="End now").click()
        page.get_by_role("dialog").wait_for(state="detached")
        self.say(f"{self.people['lead'].name} has ended the silence")

    def _go(self, page: Any, query: str) -> None:
        page.goto(f"{self.address}{PAGE}{query}")
        page.locator(".desk .person").wait_for()

    def _ask(self, page: Any, path: str, body: Any = None) -> tuple[int, Any]:
        """What the desk's interface answers to whoever is signed in: status and JSON."""
        status, answer = page.evaluate(ASK, [f"{DESK}/{path}", body])
        return status, answer

    def _hear(self, kind: str, text: str) -> None:
        # What the tour tries in vain is told by the browser, too.
        if kind == "error" and "403" not in text:
            self.wrong.append(text)

    def _picture(self, page: Any, name: str) -> None:
        """Keep what is shown in few colours: text stays sharp and the file small."""
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(96)
        picture.save(self.pictures / f"{name}.png", optimize=True)


def _quote(alert: str) -> str:
    from urllib.parse import quote

    return quote(alert, safe="")


@contextmanager
def guests(address: str, admin: str, password: str) -> Iterator[dict[str, Person]]:
    """Give each part a user of its own in the running Airflow, who is deleted when the block ends."""
    people = {part: Person(f"tour-{part}", secrets.token_hex(8)) for part in PARTS}
    with httpx.Client(base_url=address, timeout=60) as client:
        login = client.post("/auth/token", json={"username": admin, "password": password}).raise_for_status()
        client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"

        def delete() -> None:
            for person in people.values():
                client.delete(f"{USERS}/users/{person.name}")

        delete()  # of a tour that was cut off
        for part, person in people.items():
            user = {"username": person.name, "first_name": part.title(), "last_name": "Tour"}
            user |= {"email": f"{person.name}@example.com", "roles": [{"name": PARTS[part]}]}
            client.post(f"{USERS}/users", json=user | {"password": person.password}).raise_for_status()
        try:
            yield people
        finally:
            delete()


def main(
    address: Annotated[str, typer.Option(help="The running Airflow; the local stack's unless given.")] = "",
    port: Annotated[int, typer.Option(envvar="AIRFLOW__API__PORT", help="Its port, without --address.")] = 8080,
    admin: Annotated[str, typer.Option(envvar="AIRFLOW_ADMIN_USER")] = "admin",
    password: Annotated[str, typer.Option(envvar="AIRFLOW_ADMIN_PASSWORD", help="Of the administrator.")] = "",
    pictures: Annotated[Path, typer.Option(help="The folder that gets the pictures.")] = PICTURES,
) -> None:
    """Walk through the desk. The exit code is 1 when a step sees what it should not."""
    where = (address or f"http://127.0.0.1:{port}").rstrip("/")
    with guests(where, admin, password) as people, browser() as chromium:
        Tour(where, people, chromium, pictures, lambda text: typer.echo(f"✓ {text}")).run()


if __name__ == "__main__":
    typer.run(main)
