"""The pages of the trials, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from docs.generate.markdown import table
from include.surveillance.detection.rules.literal.pump_and_dump import LiteralPumpAndDump as Rule
from include.surveillance.studies.evaluation import wilson
from tests.scenarios.pumps import (
    APART,
    BESIDE,
    FALL,
    GIVEN_BACK,
    LEAST_MET,
    MOST_A_YEAR,
    Candidate,
    Met,
    Power,
    Rate,
)


class Judged(NamedTuple):
    """What the shipped limits raise and meet on one half of the symbols; ``symbols`` counts its micro-caps."""

    symbols: int
    members: Rate
    microcaps: Rate
    met: Met


class PumpTrial(NamedTuple):
    """All that was measured of pump_and_dump.

    Attributes:
        tried, chosen: limits on the first half of the symbols, and those of them that the procedure takes.
        judged: of the first half, then of the second.
        rates: name of a recording -> alerts of the shipped limits in all of it.
        power: (rise, sessions, times the volume) of an injected pump -> how often it is found.
    """

    tried: list[Candidate]
    chosen: Candidate | None
    judged: list[Judged]
    rates: dict[str, Rate]
    power: dict[tuple[float, int, float], Power]


def write_pumps(trial: PumpTrial) -> str:
    """Write the page of pump_and_dump."""
    shipped = Rule()
    strengths = sorted({rise for rise, _, _ in trial.power})
    lengths = sorted({length for _, length, _ in trial.power})
    usual = next(multiple for rise, _, multiple in trial.power if rise == strengths[0])
    volumes = sorted(key for key in trial.power if key[:2] == (0.5, 3))
    nearest = sorted(trial.tried, key=lambda one: (not one.holds(), one.microcaps.pumps))[:6]
    by_volume = table(
        ["times the volume", "pump found", "pump and dump found"],
        [[f"{key[2]:g}", _found(trial.power[key].pumps, trial.power[key].hosts),
          _found(trial.power[key].dumps, trial.power[key].hosts)] for key in volumes],
    )  # fmt: skip
    plain = trial.power[strengths[0], lengths[0], usual]
    return "\n".join([
        "<!-- Written by `make scenarios`. -->",
        "",
        "# pump_and_dump: measured",
        "",
        "The formula, an example and what the rule cannot see: [the rule's page](../../rules/pump_and_dump.md). In",
        (f"short: `up` where the close is {shipped.rise:.0%} above the lowest one of {shipped.lookback} sessions on "
        f"{shipped.multiple:g} times the usual volume, of a"),
        (f"share that usually trades for at most {shipped.turnover / 1e6:g} million dollars a day; `down` where "
        f"{shipped.give_back:.0%} of the rise is gone"),
        (f"within {shipped.within} sessions. Intervals hold 95 % (Wilson), and take days and runs as independent, "
        "which those of one"),
        "symbol are not: the true ones are wider.",
        "",
        "## How often without a label",
        "",
        table(
            ["day bars", "judged symbol-years", "pumps", "dumps", "pumps per symbol-year"],
            [[name, f"{rate.days / 252:,.1f}", rate.pumps, rate.dumps, _rate(rate)]
             for name, rate in trial.rates.items()],
        ),
        "",
        "As if thinly traded: each symbol's volume is scaled so that its median day is worth a million dollars. That",
        "row says what the prices of large companies do to the rule when the limit of dollars does not keep it away.",
        "",
        "## Labelled runs",
        "",
        "The labels are another program's signals on hand-picked micro-caps. A run is at least two signals at most",
        f"{APART} sessions apart; an alert `up` in it or at most {BESIDE} sessions beside it meets it. *By",
        "chance*: the share of windows as long, anywhere in the same symbol, that have one. Symbols are halved by the",
        "parity of the CRC-32 of their name: limits are chosen on the first half and judged on the second.",
        "",
        table(
            ["half", "micro-caps", "runs", "met", "by chance", "pumps per micro-cap-year", "pumps per member-year"],
            [[name, one.symbols, one.met.runs, _found(one.met.met, one.met.runs), f"{one.met.chance:.0%}",
              _rate(one.microcaps), _rate(one.members)]
             for name, one in zip(("first, chosen on", "second, judged on"), trial.judged, strict=True)],
        ),
        "",
        (f"Chosen is what raises fewest alerts on the first half's micro-caps, of all limits that meet {LEAST_MET:.0%} "
        "of its runs"),
        (f"and raise at most {MOST_A_YEAR:g} pumps per symbol-year on its members of the S&P 500; of equal ones the "
        "strictest."),
        _choice(trial),
        "",
        table(
            ["rise", "times the volume", "dollars", "runs met", "by chance", "pumps per micro-cap-year",
             "pumps per member-year", "holds"],
            [[f"{one.rule.rise:g}", f"{one.rule.multiple:g}", f"{one.rule.turnover:,.0f}",
              f"{one.met.met} of {one.met.runs}", f"{one.met.chance:.0%}", f"{one.microcaps.a_year()[0]:.2f}",
              f"{one.members.a_year()[0]:.4f}", "yes" if one.holds() else "no"] for one in nearest],
        ),
        "",
        "## Injected pumps",
        "",
        (f"Real bars of members, as if thinly traded, into which a pump is multiplied: in equal steps up, on {usual:g} "
        "times the"),
        (f"volume, then {GIVEN_BACK:.0%} of it lost within {FALL} sessions. {plain.hosts} hosts each; without a pump "
        f"{plain.as_they_were} of {plain.hosts} raise an alert in"),
        "the same session. Share of pumps found in their own sessions, and of those whose dump is found as well:",
        "",
        table(
            ["rise", *(f"{length} session{'s' if length > 1 else ''}" for length in lengths)],
            [[f"{rise:.0%}", *(_both(trial.power[rise, length, usual]) for length in lengths)] for rise in strengths],
        ),
        "",
        "A rise of 50 % in 3 sessions:",
        "",
        by_volume,
        "",
        "## What is not known",
        "",
        "- Whether a labelled run was a fraud: the labels are returns after a signal. Bars alone cannot tell a squeeze",
        "  from a pump; the tag of the alert and the dump can help.",
        "- How often the rule alerts on thinly traded shares that nobody has picked: no such bars were at hand.",
        "- The runs are of 16 symbols in one year: the choice of limits is a coarse one.",
        "- Window lengths, the share given back and that there is a limit of dollars were set earlier, with all these",
        "  symbols in view: the halves say something of the three limits alone.",
        "- Alerts of a day's bars do not compete for the budget of alerts: the limits are fixed.",
        "",
    ])  # fmt: skip


def _choice(trial: PumpTrial) -> str:
    shipped = Rule()
    if trial.chosen is None:
        return "None does."
    rule = trial.chosen.rule
    same = (rule.rise, rule.multiple, rule.turnover) == (shipped.rise, shipped.multiple, shipped.turnover)
    said = f"a rise of {rule.rise:.0%}, {rule.multiple:g} times the volume, {rule.turnover / 1e6:g} million dollars"
    return f"It takes {said}: {'what is shipped' if same else 'not what is shipped'}."


def _rate(rate: Rate) -> str:
    each, low, high = rate.a_year()
    return f"{each:.3f} ({low:.3f} to {high:.3f})"


def _found(found: int, of: int) -> str:
    low, high = wilson(found, of)
    return f"{found} of {of}, {found / of:.0%} ({low:.0%} to {high:.0%})" if of else "none"


def _both(power: Power) -> str:
    return "; ".join(_shares((power.pumps, power.dumps), power.hosts))


def _shares(counts: Iterable[int], of: int) -> Iterable[str]:
    for count in counts:
        low, high = wilson(count, of)
        yield f"{count / of:.0%} ({low:.0%} to {high:.0%})"
