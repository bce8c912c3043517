"""What people hand to commands by mistake: each command says so in one line."""

from __future__ import annotations

import pandas as pd
import pytest

from include.surveillance.cli.options import console, new_table, read_kafka_client
from include.surveillance.errors import ConfigurationError
from tests.surveillance.cli.recordings import COLUMNS, run, stricter

FILES = {
    "empty.csv": b"",
    "empty.parquet": b"",
    "magic.parquet": b"no such thing",
    "cut.parquet": b"PAR1 and no more",
    "column.csv": b"symbol,ts_ms\nKO,1\n",
    "absent.csv": None,
}

COMMANDS = {
    "replay": ["--bars", "FILE", "--out", "OUT"],
    "calibrate": ["--bars", "FILE", "--out", "OUT", "--budget", "1"],
    "whatif": ["--bars", "FILE", "--params", "PARAMS", "--params", "PARAMS", "--out", "OUT"],
    "backtest": ["--bars", "FILE", "--out", "OUT"],
    "evaluate": ["--alerts", "FILE", "--labels", "FILE"],
    "explain": ["price_gap|KO|minute|1|v1", "--bars", "FILE"],
    "baselines": ["--bars", "FILE", "--out", "OUT"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", FILES)
def test_an_unusable_file_is_one_line(command, name, tmp_path):
    if FILES[name] is not None:
        (tmp_path / name).write_bytes(FILES[name])
    given = {"FILE": tmp_path / name, "OUT": tmp_path / "out", "PARAMS": stricter(tmp_path)}
    result = run(command, *(given.get(part, part) for part in COMMANDS[command]))
    assert result.exit_code == 1, result.output
    errors = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(errors) == 1, result.output
    assert errors[0].startswith("error: ")
    assert not (tmp_path / "out").is_file()


@pytest.mark.parametrize("command", ["calibrate", "whatif", "backtest", "baselines"])
def test_a_header_alone_is_no_bars(command, tmp_path):
    (tmp_path / "bars.csv").write_text(",".join(COLUMNS) + "\n")
    given = {"FILE": tmp_path / "bars.csv", "OUT": tmp_path / "out", "PARAMS": stricter(tmp_path)}
    result = run(command, *(given.get(part, part) for part in COMMANDS[command]))
    assert (result.exit_code, "no usable bar" in result.output) == (1, True)


@pytest.mark.parametrize("rules", ["literal", "robust"])
def test_replay_of_a_header_alone_says_that_there_is_no_row(rules, tmp_path):
    (tmp_path / "bars.csv").write_text(",".join(COLUMNS) + "\n")
    result = run("replay", bars=tmp_path / "bars.csv", out=tmp_path / "out", rules=rules)
    assert (result.exit_code, "holds no usable bar: no row" in result.output) == (1, True)
    assert len(pd.read_parquet(tmp_path / "out" / "rejected.parquet")) == 0


@pytest.mark.parametrize("command", ["calibrate", "whatif", "backtest", "baselines", "explain"])
def test_bad_rows_never_stop_a_run(command, hostile_bars, tmp_path):
    given = {"FILE": hostile_bars, "OUT": tmp_path / "out", "PARAMS": stricter(tmp_path)}
    rules = ["--rules", "literal"] if command in ("calibrate", "whatif", "backtest") else []
    result = run(command, *(given.get(part, part) for part in COMMANDS[command]), *rules)
    expected = {"explain": "is not raised by these inputs"}
    assert result.exit_code == (command in expected), result.output
    assert expected.get(command, "rows left out: unknown timespan") in result.output


def test_a_folder_that_cannot_be_made_is_one_line(bars, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("replay", bars=bars, out=tmp_path / "file" / "out")
    assert (result.exit_code, "cannot be a folder to write to" in result.output) == (1, True)


def test_kafka_is_an_address_or_a_file_of_its_clients_configuration(tmp_path):
    assert read_kafka_client("broker:9092") == {"bootstrap.servers": "broker:9092"}
    client = tmp_path / "client.json"
    client.write_text('{"bootstrap.servers": "broker:9093", "sasl.password": "word"}')
    assert read_kafka_client(str(client)) == {"bootstrap.servers": "broker:9093", "sasl.password": "word"}


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"bootstrap.servers": ""}', "7"])
def test_a_file_that_is_no_configuration_says_so(tmp_path, text):
    client = tmp_path / "client.json"
    client.write_text(text)
    with pytest.raises(ConfigurationError, match=r"client\.json .*bootstrap\.servers"):
        read_kafka_client(str(client))


def test_square_brackets_of_a_title_are_no_markup():
    table = new_table("[red]inputs", ["[x]"], [])
    table.add_row("[/bold] [link=https://evil.example]here[/link]")
    with console.capture() as captured:
        console.print(table)
    assert "[/bold] [link=https://evil.example]here[/link]" in captured.get()
    assert "[red]inputs" in captured.get()
