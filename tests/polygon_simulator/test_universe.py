"""Whose bars the simulator has: a number of its own instruments, or those of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.polygon_simulator.market import crowded, synthetic_market
from include.polygon_simulator.universe import generated, listed
from include.surveillance.errors import ConfigurationError


def test_the_generated_market_has_a_number_of_symbols():
    assert len({instrument.symbol for instrument in generated(24)}) == 24
    for count in (4, 25):
        with pytest.raises(ConfigurationError, match=f"{count} symbols asked for; the generated market has 5 to 24"):
            generated(count)


def test_a_file_lists_symbols_by_either_name_of_the_column(tmp_path: Path):
    for text in ("symbol,name\nKO,Coca-Cola\n NA ,\n,nobody\n", "other,ticker\n1,KO\n2,NA\n"):
        (tmp_path / "universe.csv").write_text(text)
        assert [instrument.symbol for instrument in listed(tmp_path / "universe.csv")] == ["KO", "NA"]


def test_identifiers_are_stable_and_of_their_symbol_alone():
    first, *others = generated(24)
    assert first.identifier("figi", 9) == generated(5)[0].identifier("figi", 9)
    assert len(first.identifier("figi", 9)) == 9
    assert first.cik not in {other.cik for other in others}


@pytest.mark.parametrize(
    ("text", "said"), [("a,b\n1,2\n", "no column symbol"), ("symbol\n", "no row"), (None, "cannot")]
)
def test_a_file_without_symbols_is_refused(tmp_path, clock, text, said):
    file = tmp_path / "universe.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        crowded(synthetic_market(7, "24/7", 24, clock=clock), file)
