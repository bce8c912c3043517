"""Files as people have them: read as they are, or refused with a sentence that says what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import re
import zipfile
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import AS_FILES_SAY, Reading
from include.surveillance.files.bars import read_bars
from include.surveillance.timespans import SPAN_MS
from include.surveillance.validity import TIME_OUT_OF_RANGE
from tests.surveillance.files.rows import GOOD, HEADER, OPEN, csv, parquet, reasons

MINUTE = 60_000
VALUES = "100,101,99,100.5,1200"
MINUTES = [("AAPL", "minute", OPEN), ("AAPL", "minute", OPEN + MINUTE)]
DAYS = [("AAPL", "day", 1_550_120_400_000), ("AAPL", "day", 1_550_206_800_000)]  # midnights in New York
DAY_ROWS = f"2019-02-14,{VALUES}\n2019-02-15,{VALUES}\n"
SEMICOLONS = VALUES.replace(",", ";")


def stamp(form: str, zone: str = "America/New_York", minute: int = 0) -> str:
    return datetime.fromtimestamp(OPEN / 1_000 + 60 * minute, ZoneInfo(zone)).strftime(form)


def rows(form: str, zone: str = "America/New_York", first: int = 0, values: str = VALUES, separator: str = ",") -> str:
    return "".join(f"{stamp(form, zone, minute)}{separator}{values}\n" for minute in (first, first + 1))


def keys(path: Path, reading: Reading = AS_FILES_SAY) -> list[tuple[str, str, int]]:
    read = read_bars(path, reading)
    assert read.rejects.num_rows == 0
    assert set(read.bars.close.tolist()) == {100.5}
    assert set(read.bars.volume.tolist()) == {1200}
    return [(*read.bars.key(at), ts) for at, ts in enumerate(read.bars.ts.tolist())]


FLAT = "ticker,volume,open,close,high,low,window_start,transactions\n" + "".join(
    f"AAPL,1200,100,100.5,101,99,{OPEN + minute * MINUTE}000000,17\n" for minute in (0, 1)
)
STOOQ = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
FILES = {
    "flat file": ("2019-02-14.csv", FLAT, {}, MINUTES, "window_start in nanoseconds"),
    "flat file of days": (
        "2019-02-14.csv",
        "ticker,volume,open,close,high,low,window_start,transactions\nAAPL,1200,100,100.5,101,99,1550120400000000000,17\n",
        {},
        DAYS[:1],
        "day bars",
    ),
    "yahoo": (
        "AAPL.csv",
        "Date,Open,High,Low,Close,Adj Close,Volume\n2019-02-14,100,101,99,100.5,50.25,1200\n",
        {},
        DAYS[:1],
        "format yahoo",
    ),
    "yahoo by the minute": (
        "AAPL.csv",
        "Datetime,Adj Close,Close,High,Low,Open,Volume\n"
        + rows("%Y-%m-%d %H:%M:%S+00:00", "UTC", values="50.25,100.5,101,99,100,1200"),
        {},
        MINUTES,
        "format yahoo",
    ),
    "yfinance": (
        "prices.csv",
        (
            "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n"
            "2019-02-14,100.5,101,99,100,1200\n2019-02-15,100.5,101,99,100,1200\n"
        ),
        {},
        DAYS,
        "format yfinance",
    ),
    "yfinance by the minute, grouped by ticker": (
        "prices.csv",
        "Ticker,AAPL,AAPL,AAPL,AAPL,AAPL,AAPL\nPrice,Adj Close,Close,High,Low,Open,Volume\nDatetime,,,,,,\n"
        + rows("%Y-%m-%d %H:%M:%S+00:00", "UTC", values="50.25,100.5,101,99,100,1200"),
        {},
        MINUTES,
        "format yfinance",
    ),
    "US dates": (
        "AAPL.csv",
        f"Date,Open,High,Low,Close,Volume\n02/14/2019,{VALUES}\n2/15/2019,{VALUES}\n",
        {},
        DAYS,
        "Date with the month first",
    ),
    "dates with the day first": (
        "AAPL.csv",
        f"Date,Open,High,Low,Close,Volume\n14/02/2019,{VALUES}\n15/02/2019,{VALUES}\n",
        {},
        DAYS,
        "Date with the day first",
    ),
    "US dates and clocks": (
        "AAPL.csv",
        f"Date,Time,Open,High,Low,Close,Volume\n2/14/2019,9:30 AM,{VALUES}\n2/14/2019,9:31 AM,{VALUES}\n",
        {},
        MINUTES,
        "month first",
    ),
    "a US date that says nothing": (
        "AAPL.csv",
        f"Date,Open,High,Low,Close,Volume\n02/05/2019,{VALUES}\n",
        {"dates": "month-first"},
        [("AAPL", "day", 1_549_342_800_000)],
        "day bars",
    ),
    "1972": (
        "KO.csv",
        f"Date,Open,High,Low,Close,Volume\n1972-01-03,{VALUES}\n1972-01-04,{VALUES}\n",
        {},
        [("KO", "day", 63_262_800_000), ("KO", "day", 63_349_200_000)],
        "day bars",
    ),
    "1972 in seconds": (
        "KO.csv",
        f"time,open,high,low,close,volume\n63262800,{VALUES}\n63349200,{VALUES}\n",
        {},
        [("KO", "day", 63_262_800_000), ("KO", "day", 63_349_200_000)],
        "time in seconds",
    ),
    "stooq's archive": (
        "aapl.us.txt",
        f"{STOOQ}AAPL.US,D,20190214,000000,{VALUES},0\n",
        {},
        [("AAPL.US", "day", 1_550_120_400_000)],
        "format stooq",
    ),
    "stooq's minutes": (
        "x.txt",
        f"{STOOQ}AAPL.US,5,20190214,153000,{VALUES},0\n",
        {"zone": "Europe/Warsaw"},
        [("AAPL.US", "5minute", OPEN)],
        "format stooq",
    ),
    "stooq's page": ("AAPL.csv", f"Date,Open,High,Low,Close,Volume\n{DAY_ROWS}", {}, DAYS, "day bars"),
    "tradingview": (
        "NASDAQ_AAPL, 1_0b6f4.csv",
        f"time,open,high,low,close,Volume,RSI\n{OPEN // 1000},{VALUES},50\n{OPEN // 1000 + 60},{VALUES},50\n",
        {},
        MINUTES,
        "time in seconds",
    ),
    "tradingview, in ISO": (
        "BATS_AAPL, 1D.csv",
        f"time,open,high,low,close,Volume\n2019-02-14,{VALUES}\n",
        {},
        DAYS[:1],
        "symbols by the names",
    ),
    "ninjatrader": (
        "AAPL.Last.txt",
        rows("%Y%m%d %H%M%S", "UTC", first=1, values=SEMICOLONS, separator=";"),
        {},
        MINUTES,
        "taken for UTC",
    ),
    "ninjatrader's days": ("AAPL.Last.txt", f"20190214;{SEMICOLONS}\n", {}, DAYS[:1], "day bars"),
    "ib_async": (
        "AAPL.csv",
        ",date,open,high,low,close,volume,average,barCount\n"
        + "".join(f"{at},{row},100.1,17\n" for at, row in enumerate(rows("%Y-%m-%d %H:%M:%S-05:00").splitlines())),
        {},
        MINUTES,
        "format ibkr",
    ),
    "ib's own words": (
        "AAPL.csv",
        "date,open,high,low,close,volume,average,barCount\n"
        + "".join(f"{row},100.1,17\n" for row in rows("%Y%m%d %H:%M:%S US/Eastern").splitlines()),
        {},
        MINUTES,
        "format ibkr",
    ),
    "ib in utc": (
        "AAPL.csv",
        "date,open,high,low,close,volume,average,barCount\n"
        + "".join(f"{row},100.1,17\n" for row in rows("%Y%m%d-%H:%M:%S", "UTC").splitlines()),
        {},
        MINUTES,
        "format ibkr",
    ),
    "alpaca": (
        "x.csv",
        "symbol,timestamp,open,high,low,close,volume,trade_count,vwap\n"
        + "".join(f"AAPL,{row},17,100.1\n" for row in rows("%Y-%m-%dT%H:%M:%SZ", "UTC").splitlines()),
        {},
        MINUTES,
        "minute bars",
    ),
    "naive times": (
        "AAPL.csv",
        "timestamp,open,high,low,close,volume\n" + rows("%Y-%m-%d %H:%M:%S"),
        {},
        MINUTES,
        "taken for America/New_York (--tz names another zone)",
    ),
    "naive times of a zone": (
        "AAPL.csv",
        "timestamp,open,high,low,close,volume\n" + rows("%Y-%m-%d %H:%M", "UTC"),
        {"zone": "UTC"},
        MINUTES,
        "minute bars",
    ),
    "date and time": (
        "AAPL.csv",
        "Date,Time,Open,High,Low,Close,Volume\n" + rows("%Y-%m-%d,%H:%M"),
        {},
        MINUTES,
        "taken for America/New_York",
    ),
    "semicolons, capitals, brackets": (
        "x.csv",
        f" SYMBOL;<Timestamp>;Open;HIGH;low;Close;Vol\n AAPL ;{OPEN};{SEMICOLONS}\nAAPL;{OPEN + MINUTE};{SEMICOLONS}\n",
        {},
        MINUTES,
        "minute bars",
    ),
    "tabs": ("AAPL.tsv", f"date\topen\thigh\tlow\tclose\tvolume\n{DAY_ROWS}".replace(",", "\t"), {}, DAYS, "day bars"),
    "a symbol and a timespan that are said": (
        "x.csv",
        f"t,o,h,l,c,v\n{OPEN},{VALUES}\n",
        {"symbol": "AAPL", "timespan": "15minute"},
        [("AAPL", "15minute", OPEN)],
        "",
    ),
}


@pytest.mark.parametrize(("name", "content", "said", "expected", "note"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_format_is_read_as_it_is_and_what_was_found_is_said(tmp_path, name, content, said, expected, note, ends):
    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" * (ends != "\n") + content.replace("\n", ends).encode())
    assert keys(path, Reading(**said)) == expected
    assert note in " ".join(read_bars(path, Reading(**said)).notes)


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), ("", gzip.compress)])
def test_a_packed_file_is_read_whatever_it_is_called(tmp_path, suffix, pack):
    path = tmp_path / f"2019-02-14.csv{suffix}"
    path.write_bytes(pack(FLAT[: len(FLAT) // 2].encode()) + pack(FLAT[len(FLAT) // 2 :].encode()))
    assert keys(path) == MINUTES


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize(("zone", "moved_hours"), [("UTC", 0), ("America/New_York", 0), (None, 5)])
def test_timestamps_of_parquet_in_any_unit_and_zone(tmp_path, unit, zone, moved_hours):
    stamps = pa.array([OPEN, OPEN + MINUTE], pa.timestamp("ms", zone)).cast(pa.timestamp(unit, zone))
    made = [{"symbol": "AAPL", "close": 100.5, "volume": 1200, "timestamp": None} | GOOD_PRICES for _ in range(2)]
    path = parquet(tmp_path, made)
    table = pq.read_table(path)
    table = table.set_column(table.column_names.index("timestamp"), "timestamp", stamps)
    pq.write_table(table, path)
    moved = [(symbol, timespan, ts + moved_hours * SPAN_MS["hour"]) for symbol, timespan, ts in MINUTES]
    assert keys(path) == moved
    assert ("taken for America/New_York" in " ".join(read_bars(path).notes)) == (zone is None)


GOOD_PRICES = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.5}


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_dates_of_parquet_are_days(tmp_path, kind):
    frame = pd.DataFrame([GOOD_PRICES | {"symbol": "AAPL", "volume": 1200}] * 2)
    days = pa.array([date(2019, 2, 14), date(2019, 2, 15)], kind)
    pq.write_table(pa.Table.from_pandas(frame).append_column("date", days), tmp_path / "x.parquet")
    assert keys(tmp_path / "x.parquet") == DAYS


@pytest.mark.parametrize(("factor", "unit"), [(1 / 1_000, "seconds"), (1_000, "microseconds"), (10**6, "nanoseconds")])
@pytest.mark.parametrize("kind", ["csv", "int64"])
def test_the_unit_of_times_is_that_which_most_can_only_be_of_and_it_is_named(tmp_path, factor, unit, kind):
    stamps = [int((OPEN + minute * MINUTE) * factor) for minute in range(3)]
    made = [GOOD | {"ts_ms": ts} for ts in stamps]
    if kind == "csv":
        path = csv(tmp_path, *(",".join(str(row[name]) for name in HEADER.split(",")) for row in made))
    else:
        path = parquet(tmp_path, made, ts_ms=pa.int64())
    read = read_bars(path)
    assert read.bars.ts.tolist() == [OPEN, OPEN + MINUTE, OPEN + 2 * MINUTE]
    assert read.notes == [f"{path}: ts_ms in {unit}"]


def test_a_time_of_another_unit_than_the_others_is_refused_and_its_unit_named(tmp_path):
    stamps = [OPEN, OPEN + MINUTE, OPEN // 1_000, OPEN * 1_000, OPEN * 10**6, 20_000_000, 5, OPEN + 1]
    read = read_bars(parquet(tmp_path, [GOOD | {"ts_ms": ts} for ts in stamps]))
    assert len(read.bars) == 2
    assert reasons(read.rejects) == [
        "time in seconds, not milliseconds",
        "time in microseconds, not milliseconds",
        "time in nanoseconds, not milliseconds",
        "ts_ms is no time",
        TIME_OUT_OF_RANGE,
        "off the grid",
    ]


@pytest.mark.parametrize("column", ["vwap", "trades"])
@pytest.mark.parametrize("cell", ["", "-", "N/A", "null", "None", "nan", "0", "-1", "inf", "1e300", "x", "1.5"])
def test_what_is_optional_never_costs_a_bar(tmp_path, column, cell):
    read = read_bars(csv(tmp_path, f"NVDA,minute,{OPEN},{VALUES},{cell}", header=f"{HEADER},{column}"))
    assert (len(read.bars), read.rejects.num_rows) == (1, 0)


def test_a_bar_without_volume_is_none_and_a_symbol_with_blanks_is_the_same(tmp_path):
    filled = f"NVDA,minute,{OPEN + MINUTE},100,100,100,100,0"
    read = read_bars(
        csv(tmp_path, f"NVDA ,minute,{OPEN},{VALUES}", filled, f" NVDA, minute ,{OPEN + 2 * MINUTE},{VALUES}")
    )
    assert read.bars.keys == [("NVDA", "minute")]
    assert (len(read.bars), reasons(read.rejects)) == (2, ["no trade"])


def workbook() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return buffer.getvalue()


DAILY = f"Date,Open,High,Low,Close,Volume\n{DAY_ROWS}"
REFUSED = {
    "zip": ("AAPL.csv", workbook(), "is a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV"),
    "old workbook": (
        "AAPL.xls.csv",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "is an Excel workbook; save the sheet as CSV",
    ),
    "utf-16": ("AAPL.csv", DAILY.encode("utf-16"), "is text in UTF-16; save it as UTF-8"),
    "binary": ("AAPL.csv", b"\x93NUMPY\x00\x01\xff\xfe" * 50, "is neither Parquet nor CSV"),
    "zip in a gz": ("AAPL.csv.gz", gzip.compress(workbook()), "is a ZIP archive or an Excel workbook"),
    "cut gz": ("AAPL.csv.gz", gzip.compress(DAILY.encode())[:-12], "cut short or damaged: copy it again"),
    "cut gz of many rows": ("A.csv.gz", gzip.compress(FLAT.encode() * 20_000)[:-9_000], "cut short or damaged"),
    "empty gz": ("AAPL.csv.gz", gzip.compress(b""), "is empty; a file of bars is Parquet or CSV"),
    "decimal commas": (
        "AAPL.csv",
        b"date;open;high;low;close;volume\n2019-02-14;100,5;101,5;99,5;100,5;1200\n",
        "decimal comma (100,5)",
    ),
    "decimal commas in quotes": (
        "AAPL.csv",
        b'date,open,high,low,close,volume\n2019-02-14,"100,5","101,5","99,5","100,5",1200\n',
        "write them with a point",
    ),
    "no volume": ("AAPL.csv", b"time,open,high,low,close\n1,2,3,4,5\n", "lacks column volume (or vol, v)"),
    "no header": ("AAPL.csv", b"2019-02-14,100,101,99,100.5,1200\n", "formats are polygon, stooq, yahoo"),
    "no symbol": ("bars.csv", DAILY.encode(), "its name does not begin with a symbol; give --symbol"),
    "stooq's minutes without a zone": ("x.txt", FILES["stooq's minutes"][1].encode(), "give --tz"),
    "half-hours": (
        "AAPL.csv",
        f"t,o,h,l,c,v\n{OPEN},{VALUES}\n{OPEN + 30 * MINUTE},{VALUES}\n".encode(),
        "30 minutes apart; give --timespan, one of minute, 5minute, 15minute, hour, day",
    ),
    "one bar": ("AAPL.csv", f"t,o,h,l,c,v\n{OPEN},{VALUES}\n".encode(), "give --timespan"),
    "two columns of one name": ("x.csv", b"Date,date,open,high,low,close,volume\n", "two columns of one name"),
    "noise in the header": ("x.csv", b"\x1b[31m\xff,open\n1,2\n", "it has \\x1b[31m"),
}


@pytest.mark.parametrize(("name", "content", "message"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_read_is_refused_in_one_clean_sentence(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=re.escape(message)) as raised:
        read_bars(tmp_path / name)
    assert re.fullmatch(r"[ -~]{1,900}", str(raised.value))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"format": "excel"}, "--format excel is none; formats are polygon"),
        ({"zone": "Mars/Base"}, "--tz Mars/Base is no time zone"),
        ({"zone": "../../etc/passwd"}, "is no time zone"),
        ({"timespan": "week"}, "--timespan week is none; timespans are minute"),
        ({"symbol": "A|B"}, "can be no symbol"),
        ({"dates": "us"}, "--dates us is none; dates with slashes are month-first, day-first"),
    ],
)
def test_an_unknown_word_is_refused_with_those_that_are_known(tmp_path, said, message):
    (tmp_path / "AAPL.csv").write_text(DAILY)
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        read_bars(tmp_path / "AAPL.csv", Reading(**said))


def test_a_folder_is_all_its_files_and_a_later_file_corrects_an_earlier(tmp_path):
    for day in (14, 15):
        text = FLAT.replace(str(OPEN), str(OPEN + (day - 14) * 86_400_000))
        text = text.replace(str(OPEN + MINUTE), str(OPEN + MINUTE + (day - 14) * 86_400_000))
        (tmp_path / "2019" / "02").mkdir(parents=True, exist_ok=True)
        (tmp_path / "2019" / "02" / f"2019-02-{day}.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "2019" / "02" / "2019-02-15_again.csv").write_text(FLAT.replace("100.5", "100.75"))
    (tmp_path / "README.md").write_text("what this is")
    read = read_bars(tmp_path)
    assert (len(read.bars), dict(read.counts)) == (4, {"rows": 6, "duplicate": 0, "corrected": 2})
    assert read.bars.close.tolist() == [100.75, 100.75, 100.5, 100.5]
    assert read.notes[0].startswith(f"{tmp_path}: 3 files: format polygon")
    assert read.notes[1] == f"{tmp_path}: 1 other files are left out (README.md)"
    assert len(read_bars(tmp_path / "2019" / "02" / "2019-02-1?.csv.gz").bars) == 4
    assert len(read_bars(tmp_path, only="MSFT").bars) == 0
    assert len(read_bars(tmp_path, only="AAPL").bars) == 4


def test_a_folder_of_several_formats_is_refused(tmp_path):
    (tmp_path / "2019-02-14.csv").write_text(FLAT)
    (tmp_path / "AAPL.csv").write_text(DAILY)
    with pytest.raises(ConfigurationError, match=r"several formats: 2019-02-14.csv is polygon, AAPL.csv is columns"):
        read_bars(tmp_path)


def test_rejects_of_a_folder_name_the_file_below_it(tmp_path):
    (tmp_path / "02").mkdir()
    (tmp_path / "02" / "2019-02-14.csv").write_text(f"{FLAT}AAPL,0,1,1,1,1,{OPEN}000000,0\n")
    rejects = read_bars(tmp_path).rejects.to_pylist()
    assert [(row["file"], row["row"], row["reason"]) for row in rejects] == [("02/2019-02-14.csv", 2, "no trade")]


def test_rows_of_a_file_without_a_header_count_from_the_first(tmp_path):
    bad = "20190214 143200;1;2;3;4;5\n20190214 143300;1;2\n"
    path = tmp_path / "AAPL.Last.txt"
    path.write_text(FILES["ninjatrader"][1] + bad)
    rejects = read_bars(path).rejects.to_pylist()
    assert [(row["row"], row["reason"]) for row in rejects] == [(2, "high below low"), (3, "wrong number of fields")]


@pytest.mark.parametrize("dates", [("02/05/2019", "03/05/2019"), ("02/14/2019", "14/02/2019")])
def test_dates_that_may_mean_two_days_are_refused_with_the_column_and_what_to_say(tmp_path, dates):
    path = tmp_path / "AAPL.csv"
    path.write_text("When,Date,Open,High,Low,Close,Volume\n" + "".join(f"x,{day},{VALUES}\n" for day in dates))
    with pytest.raises(
        ConfigurationError, match=r"column Date has dates such as \d\d/\d\d/2019.*--dates, one of month-f"
    ):
        read_bars(path)


def test_several_symbols_of_yfinance_beside_each_other_are_refused_with_what_to_do(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("Price,Close,Close\nTicker,AAPL,MSFT\nDate,,\n2019-02-14,1,2\n")
    with pytest.raises(ConfigurationError, match=r"several symbols beside each other \(AAPL, MSFT\).*stack"):
        read_bars(path)


def test_a_bad_row_of_yfinance_is_counted_from_the_first_of_data(tmp_path):
    path = tmp_path / "prices.csv"
    head = "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n"
    path.write_text(f"{head}2019-02-14,100.5,101,99,100,1200\n2019-02-15,100.5,101\n2019-02-19,x,101,99,100,1200\n")
    assert read_bars(path).rejects.select(["row", "reason"]).to_pylist() == [
        {"row": 1, "reason": "wrong number of fields"},
        {"row": 2, "reason": "close is no number"},
    ]
