"""The desk in a real browser: by keyboard, by two people at once, on a phone, in the dark, and without a fault."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, urlsplit

import pytest

from include.orchestration.addresses import desk_address
from include.orchestration.application.evidence import store_evidence
from tests.desk import PHONE, wait_until
from tests.orchestration.conftest import alert, store
from tests.orchestration.page.conftest import HOSTILE, make_evidence
from tests.vendor import TESTED

AXE = (TESTED / "axe-core@4.14.1" / "axe.min.js").read_text()
FIRST, SECOND = "S001", "S003"


def rows(page):
    return page.locator("tr.row")


def row_of(page, symbol):
    return page.locator("tr.row", has=page.get_by_role("link", name=re.compile(f"^Open {symbol} ")))


def find_faults(page):
    """What axe says against the page: id of the rule and the elements."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run('.desk, dialog', {resultTypes: ['violations']})")
    return [(it["id"], [node["html"][:200] for node in it["nodes"]][:3]) for it in found["violations"]]


def is_too_wide(page):
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_what_nothing_explains_comes_first_and_more_is_loaded_as_one_scrolls(visit, seeded):
    page = visit()
    row_of(page, FIRST).wait_for()
    assert [page.locator("td.symbol").nth(n).inner_text() for n in range(3)] == ["S001", "S003", "S005"]
    assert page.locator("table").evaluate("it => it.rows.length") < 100, "only what is seen is drawn"
    page.get_by_text("200 alerts and more below").wait_for()
    page.locator(".scroll").evaluate("it => it.scrollTo(0, it.scrollHeight)")
    page.get_by_text("300 alerts", exact=True).wait_for()
    page.locator(".scroll").evaluate("it => it.scrollTo(0, it.scrollHeight)")
    row_of(page, "S298").wait_for()


def test_triage_by_keyboard(visit, seeded, desk):
    page = visit()
    row_of(page, FIRST).wait_for()
    page.keyboard.press("a")
    row_of(page, FIRST).get_by_text("in review").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    row_of(page, SECOND).get_by_text(re.compile("closed|to sign")).wait_for()
    page.keyboard.press("k")
    page.keyboard.press("e")
    page.get_by_role("dialog").get_by_label("Title").fill("S001 before its results")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="S001 before its results").wait_for()
    events = desk("select actor, event, object_kind from audit_log order by audit_id")
    assert events == [("analyst", "take", "alert"), ("analyst", "close", "alert"), ("analyst", "open", "case")]
    page.go_back()
    row_of(page, FIRST).wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("most in 12 sessions")
    page.wait_for_url(re.compile(r"text=most\+in\+12"))
    wait_until(page, "document.querySelectorAll('tr.row').length < 20")


def test_an_answer_that_comes_late_does_not_take_the_next_question_away(visit, seeded):
    page = visit()
    row_of(page, FIRST).wait_for()
    held = []
    page.route("**/reviews/take", lambda route: held.append(route))
    page.keyboard.press("a")
    page.keyboard.press("j")
    page.keyboard.press("c")
    page.get_by_role("dialog", name=f"Close {SECOND}").wait_for()
    held[0].continue_()
    row_of(page, FIRST).get_by_text("in review").wait_for()
    assert page.get_by_role("dialog", name=f"Close {SECOND}").is_visible()


def test_closed_in_five_clicks_and_only_for_a_reason(visit, seeded, desk):
    page = visit(query="?severity=high")
    rows(page).first.wait_for()
    symbol = page.locator("td.symbol").first.inner_text()
    rows(page).first.click()
    page.get_by_role("group", name=re.compile("^Acts on")).get_by_role("button", name="Close…").click()
    dialog = page.get_by_role("dialog")
    button = dialog.locator("button[type=submit]")
    assert button.is_disabled()
    dialog.get_by_text("Usual for this symbol at this time").click()
    button.click()
    dialog.wait_for(state="detached")
    assert desk("select alert_id like %s, reason from reviews where version > 0", f"%|{symbol}|%") == [(True, "usual")]


def test_of_two_people_one_wins_and_the_other_is_told(visit, seeded):
    first, second = visit("Analyst"), visit("Lead")
    for page in (first, second):
        row_of(page, FIRST).wait_for()
    second.route("**/api/v1/acts*", lambda route: route.abort())
    second.route("**/api/v1/events", lambda route: route.abort())
    first.keyboard.press("a")
    row_of(first, FIRST).get_by_text("in review").wait_for()
    second.keyboard.press("a")
    told = second.get_by_role("dialog", name="Somebody else was faster")
    told.wait_for()
    assert "analyst took it" in told.inner_text()
    assert "owner: none → analyst" in told.inner_text()
    second.keyboard.press("Escape")
    assert row_of(second, FIRST).locator(".owner").inner_text() == "analyst"
    second.wrong[:] = [text for text in second.wrong if not re.search("409|ERR_FAILED", text)]


def test_a_screen_that_does_not_load_says_so(visit, seeded):
    page = visit()
    row_of(page, FIRST).wait_for()
    page.route("**/web/cases.js", lambda route: route.abort())
    page.get_by_role("link", name="Cases", exact=True).click()
    page.get_by_role("alert").get_by_text("The screen did not load, so load the page again").wait_for()
    page.get_by_role("link", name="Queue", exact=True).click()
    row_of(page, FIRST).wait_for()
    page.wrong[:] = [text for text in page.wrong if "ERR_FAILED" not in text]


def test_new_alerts_wait_and_do_not_move_the_list(visit, seeded):
    page = visit()
    row_of(page, FIRST).wait_for()
    newest = seeded[0].ts_ms + 120_000
    times = {"ts_ms": newest, "bar_close_ms": newest + 60_000, "episode_start_ms": newest}
    store([alert("NEW", severity="critical", score=100.0, tag="unexplained", **times)])
    button = page.get_by_role("button", name="1 new alert · show")
    button.wait_for()
    assert page.locator("td.symbol").first.inner_text() == FIRST
    button.click()
    row_of(page, "NEW").wait_for()
    assert page.locator("td.symbol").first.inner_text() == "NEW"


def test_filters_are_in_the_address_and_back_finds_the_place(visit, seeded):
    page = visit()
    row_of(page, FIRST).wait_for()
    page.get_by_label("Rule").select_option("price_gap")
    page.wait_for_url(re.compile("rule=price_gap"))
    row_of(page, SECOND).wait_for()
    page.reload()
    row_of(page, SECOND).wait_for()
    assert page.get_by_label("Rule").input_value() == "price_gap"
    row_of(page, "S013").get_by_role("link").click()
    page.get_by_role("heading", name=re.compile("^S013")).wait_for()
    page.go_back()
    row_of(page, "S013").wait_for()
    assert row_of(page, "S013").get_attribute("aria-current") is None or page.url.endswith("rule=price_gap")


def test_a_viewer_is_offered_nothing_that_he_may_not_do(visit, seeded, desk):
    page = visit("Viewer")
    row_of(page, FIRST).wait_for()
    page.keyboard.press("a")
    page.keyboard.press("c")
    page.keyboard.press("e")
    assert page.get_by_role("button", name=re.compile("Take|Close|Escalate|Silence|Sign")).count() == 0
    row_of(page, FIRST).get_by_role("link").click()
    page.get_by_role("heading", name=re.compile(f"^{FIRST}")).wait_for()
    assert page.get_by_role("button", name=re.compile("Take|Close|Escalate|Silence|Sign|Note")).count() == 0
    assert desk("select * from audit_log") == []


def test_hostile_text_is_shown_and_nothing_of_it_runs(visit, seeded):
    page = visit()
    row_of(page, FIRST).wait_for()
    assert row_of(page, FIRST).locator(".sentence").text_content() == HOSTILE
    row_of(page, FIRST).get_by_role("link").click()
    page.locator(".sentence-line").get_by_text(HOSTILE).wait_for()
    assert page.locator(".news bdi").first.text_content() == HOSTILE
    assert page.locator(".news a").count() == 1, "only an address of the web is a link"
    assert page.locator("img, main script").count() == 0
    assert not is_too_wide(page)


def test_a_whole_filter_is_closed_with_one_reason(visit, seeded, desk):
    page = visit(query="?rule=news_impact&state=open&severity=medium")
    rows(page).first.wait_for()
    page.get_by_role("button", name="Close all that match…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(re.compile("of this filter are open")).wait_for()
    dialog.get_by_text("The same as another alert").click()
    dialog.locator("button[type=submit]").click()
    dialog.wait_for(state="detached")
    page.get_by_text("No alert matches.").wait_for()
    wanted = sum(it.rule == "news_impact" and it.severity != "low" for it in seeded)
    assert desk("select count(*) from reviews where reason = 'duplicate'") == [(wanted,)]


def test_a_critical_alert_is_closed_by_two(visit, seeded):
    page = visit(query="?severity=critical")
    rows(page).first.wait_for()
    symbol = page.locator("td.symbol").first.inner_text()
    page.keyboard.press("c")
    page.get_by_role("dialog").get_by_text("somebody else has to sign").wait_for()
    page.keyboard.press("1")
    page.get_by_role("button", name="Propose to close").click()
    row_of(page, symbol).get_by_text("to sign").wait_for()
    lead = visit("Lead", query="?state=to+sign")
    row_of(lead, symbol).wait_for()
    lead.keyboard.press("s")
    lead.get_by_role("dialog").get_by_role("button", name="Sign").click()
    row_of(lead, symbol).get_by_text("closed").wait_for()


def test_a_silence_is_previewed_made_and_ended(visit, seeded):
    page = visit(query="?screen=silences")
    page.get_by_role("button", name="New silence…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Rule").select_option("price_gap")
    dialog.get_by_text("it would have kept 60 alerts from people").wait_for()
    dialog.get_by_label("Why").fill("results tomorrow")
    dialog.get_by_role("button", name="Silence", exact=True).click()
    page.get_by_role("button", name="End the silence of price gap").click()
    page.get_by_role("dialog").get_by_role("button", name="End now").click()
    page.get_by_text("by analyst").wait_for()


def test_a_case_of_three_is_handed_over_by_two(visit, seeded, tmp_path):
    page = visit()
    row_of(page, FIRST).wait_for()
    for symbol in (FIRST, SECOND, "S005"):
        row_of(page, symbol).get_by_role("checkbox").click()
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog", name="Escalate 3 alerts")
    dialog.get_by_label("Title").fill("Three at once")
    dialog.get_by_label("Narrative").fill("They rose together.\n" + HOSTILE)
    dialog.get_by_role("button", name="Open a case").click()
    page.get_by_role("heading", name="Three at once").wait_for()
    row = page.get_by_role("region", name="Alerts of the case").locator("tbody tr")
    row.nth(2).get_by_text("S005", exact=True).wait_for()
    file = tmp_path / "<b>note.txt"
    file.write_text("seen")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("link", name="<b>note.txt").wait_for()
    page.get_by_role("button", name="Submit for signature").click()
    page.get_by_text("submitted by analyst").wait_for()
    assert page.get_by_role("button", name="Sign and hand over").count() == 0
    lead = visit("Lead", query="?screen=case&id=1")
    lead.get_by_role("button", name="Sign and hand over").click()
    lead.get_by_text("signed by lead").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_nothing_is_hard_to_use_or_too_wide(visit, seeded, scheme, size):
    options = {"color_scheme": scheme} | ({"viewport": PHONE} if size == "phone" else {})
    faults = {}
    page = visit("Lead", **options)
    row_of(page, FIRST).wait_for()
    assert page.evaluate("document.documentElement.className") == ("dark" if scheme == "dark" else "")
    faults["queue"] = find_faults(page), is_too_wide(page)
    page.keyboard.press("c")
    page.get_by_role("dialog").wait_for()
    faults["close"] = find_faults(page), is_too_wide(page)
    page.keyboard.press("Escape")
    row_of(page, FIRST).get_by_role("link").click()
    page.get_by_role("heading", name=re.compile(f"^{FIRST}")).wait_for()
    faults["alert"] = find_faults(page), is_too_wide(page)
    for screen in ("cases", "silences", "runs"):
        page = visit("Lead", f"?screen={screen}", **options)
        page.locator("h1").wait_for()
        faults[screen] = find_faults(page), is_too_wide(page)
    assert faults == dict.fromkeys(faults, ([], False))


def test_the_desk_is_a_part_of_airflow(visit, seeded):
    page = visit(path="/plugin/surveillance", query="?rule=price_gap", wait="tr.row")
    assert page.get_by_label("Rule").input_value() == "price_gap"
    page.evaluate("document.documentElement.classList.add('dark')")
    wait_until(page, "getComputedStyle(document.querySelector('.desk')).backgroundColor === 'rgb(17, 22, 29)'")
    row_of(page, SECOND).get_by_role("link").click()
    page.get_by_role("heading", name=re.compile(f"^{SECOND}")).wait_for()
    assert "/plugin/surveillance?screen=alert" in page.url


def test_a_view_has_a_name_and_is_there_again(visit, seeded):
    page = visit(query="?rule=price_gap&severity=high")
    page.get_by_role("button", name="Save view…").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Gaps that count")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    view = page.locator(".views select")
    assert view.input_value() == "Gaps that count"
    page.get_by_role("button", name="Clear filters").click()
    page.wait_for_url(re.compile(r"/surveillance/$"))
    page.reload()
    view.select_option("Gaps that count")
    page.wait_for_url(re.compile("rule=price_gap"))
    assert page.get_by_label("Severity").input_value() == "high"
    page.get_by_role("button", name="Remove view").click()
    assert view.count() == 0


def test_letters_that_come_while_the_first_are_asked_for_stay(visit, seeded):
    page = visit()
    row_of(page, FIRST).wait_for()
    field = page.get_by_label("Text", exact=True)
    field.focus()
    for letter in "most in 12":
        page.keyboard.type(letter)
        page.wait_for_timeout(120)
    page.wait_for_url(re.compile(r"text=most\+in\+12"))
    assert field.input_value() == "most in 12"
    field.fill("mo")
    page.wait_for_timeout(300)
    assert "text=most+in+12" in page.url, "two letters are not asked for"
    field.fill("")
    page.wait_for_url(re.compile(r"/surveillance/$"))


def ask_chart(page, expression):
    return page.evaluate(f"import('/surveillance/web/chart.js').then((it) => {expression})")


# 14:30 UTC on a Monday in winter: the exchange has just opened.
OPEN = 1_768_228_200


def test_where_bars_are_missing_is_a_hole_of_the_session(visit, seeded):
    page = visit()
    minutes = [-5, -2, 0, 1, 4, 5, 389, 390, 395, 1440, 1441]
    dates = {minute: str(minute // 1440) if 0 <= minute % 1440 < 390 else None for minute in minutes}
    bars = json.dumps([{"time": OPEN + 60 * minute, "session": date} for minute, date in dates.items()])
    causes = [{"from": OPEN + 150, "until": OPEN + 200, "cause": "halt"}]
    holes = ask_chart(page, f"it.findHoles({bars}, 1, {causes})")
    # Nobody misses bars before the open, after the close or overnight.
    assert [((it["from"] - OPEN) // 60, (it["until"] - OPEN) // 60, it.get("cause")) for it in holes] == [
        (2, 4, "halt"),
        (6, 389, None),
    ]
    assert ask_chart(page, f"it.findHoles({bars}, 0)") == [], "days have no minutes to miss"


def test_another_symbol_begins_where_this_one_is(visit, seeded):
    page = visit()
    own = [{"time": 60 * n, "close": close} for n, close in enumerate((10, 20, 30))]
    other = [{"time": 60 * n, "close": close} for n, close in enumerate((500, 400, 440), start=1)]
    line = ask_chart(page, f"it.rebase({own}, {other})")
    assert line == [{"time": 60, "value": 20}, {"time": 120, "value": 16}, {"time": 180, "value": 17.6}]
    assert ask_chart(page, f"it.rebase({own}, [])") == []


def test_a_day_is_replayed_step_by_step_and_peers_stand_beside_it(visit, seeded):
    minute = {"ts_ms": seeded[1].ts_ms, "bar_close_ms": seeded[1].bar_close_ms, "episode_start_ms": seeded[1].ts_ms}
    peer = alert("PEER", rule="price_gap", severity="high", **minute)
    store([peer])
    store_evidence([make_evidence(peer)])
    page = visit(query=f"?screen=alert&id={quote(seeded[1].event_id)}")
    page.locator(".chart canvas").first.wait_for()
    slider = page.get_by_label("Replay")
    bars = int(slider.get_attribute("max"))
    page.keyboard.press("[")
    page.get_by_role("button", name="One bar back").click()
    assert int(slider.input_value()) == bars - 2
    page.keyboard.press("]")
    page.keyboard.press("]")
    page.keyboard.press("]")
    assert int(slider.input_value()) == bars
    beside = page.get_by_role("group", name="Beside it")
    button = beside.get_by_role("button", name="PEER")
    button.click()
    wait_until(page, "document.querySelector('.beside [aria-pressed=true]')")
    assert button.get_attribute("aria-pressed") == "true"
    assert find_faults(page) == []
    button.click()
    assert button.get_attribute("aria-pressed") == "false"


def test_a_session_is_reported_and_signed(visit, seeded, desk, client, sign_in):
    session = seeded[0].session_date
    analyst = visit("Analyst", f"?screen=report&id={session}")
    analyst.get_by_role("heading", name=f"Surveillance report of {session}").wait_for()
    analyst.get_by_role("region", name="Rules").get_by_text("price gap").wait_for()
    assert analyst.get_by_role("button", name="Sign", exact=True).count() == 0
    page = visit("Lead", "?screen=reports")
    page.get_by_role("region", name="Sessions").locator("tbody tr").first.wait_for()
    page.get_by_role("link", name="Indicators").click()
    page.get_by_role("region", name="Rules").get_by_text("all rules").wait_for()
    page.get_by_role("link", name="Proposals").click()
    page.get_by_text("No rule has ten decisions").wait_for()
    page.goto(page.url.partition("?")[0] + f"?screen=report&id={session}")
    page.get_by_role("button", name="Sign", exact=True).click()
    page.get_by_text("as it is now.").wait_for()
    assert page.get_by_role("button", name="Sign", exact=True).count() == 0
    alerts = {seeded[0].event_id: 0}
    body = {"alerts": alerts, "reason": "usual"}
    headers = sign_in("Analyst") | {"X-Surveillance": "page"}
    client.post("/surveillance/api/v1/reviews/close", headers=headers, json=body)
    page.reload()
    page.get_by_text("what was signed differs from what it is now").wait_for()
    assert page.get_by_role("button", name="Sign", exact=True).is_visible()


@pytest.mark.parametrize("size", ["wide", "phone"])
def test_reports_are_not_hard_to_use_nor_too_wide(visit, seeded, size):
    shown = {
        "reports": "table tbody tr",
        "reports&view=indicators": "text=all rules",
        "reports&view=proposals": "text=No rule has ten decisions",
        f"report&id={seeded[0].session_date}": "text=Age of what is not closed",
    }
    faults = {}
    for query, wait in shown.items():
        options = {"viewport": PHONE} if size == "phone" else {}
        page = visit("Lead", f"?screen={query}", wait=wait, **options)
        faults[query] = find_faults(page), is_too_wide(page)
    assert faults == dict.fromkeys(faults, ([], False))


def test_a_link_of_a_message_leads_through_the_sign_in_to_its_alert(server, chromium, seeded, sign_in):
    sign_in("Analyst")
    of = seeded[1]
    page = chromium.new_context().new_page()
    page.set_default_timeout(60_000)
    page.goto(server + urlsplit(desk_address(screen="alert", id=of.event_id))._replace(scheme="", netloc="").geturl())
    page.get_by_label("Username").fill("analyst")
    page.get_by_label("Password").fill("password of Analyst")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=re.compile(f"^{of.symbol}")).wait_for()
    page.context.close()
