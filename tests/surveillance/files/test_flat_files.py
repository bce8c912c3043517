"""Files of bars by their day: of a folder, and of S3 as moto serves it on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import boto3
import pytest
from moto.server import ThreadedMotoServer

from include.surveillance.errors import ConfigurationError, VendorError, VendorUnavailableError
from include.surveillance.files import flat_files
from include.surveillance.files.flat_files import Bucket, Folder, open_flat_files

DAYS = [date(2024, 1, 2), date(2024, 1, 3)]


@pytest.fixture
def s3(monkeypatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def filled(s3) -> str:
    """A bucket with the files of two days in the vendor's tree, and others beside it."""
    client = boto3.client(
        "s3", endpoint_url=s3, aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1"
    )
    client.create_bucket(Bucket="flatfiles")
    names = [f"minute_aggs_v1/2024/01/{day}.csv.gz" for day in DAYS]
    others = ["minute_aggs_v1/README", "minute_aggs_v10/2024/01/2024-01-04.csv.gz", "day_aggs_v1/2024-01-02.csv"]
    for name in (*names, *others):
        client.put_object(Bucket="flatfiles", Key=f"us_stocks_sip/{name}", Body=name.encode())
    return s3


def open_bucket(endpoint: str, address: str = "s3://flatfiles/us_stocks_sip/minute_aggs_v1", keys=("k", "s")) -> Bucket:
    return Bucket(address, endpoint, *keys)


def test_the_files_of_a_bucket_by_their_day(filled):
    bucket = open_bucket(filled)
    days = bucket.list_days()
    assert list(days) == DAYS
    with bucket.fetch(days[DAYS[1]]) as path:
        assert (path.name, path.read_bytes()) == ("2024-01-03.csv.gz", b"minute_aggs_v1/2024/01/2024-01-03.csv.gz")
    assert not path.exists()


def test_who_refuses_and_who_is_away_are_told_apart(filled, monkeypatch):
    with pytest.raises(VendorError, match=r"s3://none/: S3 answers 404 NoSuchBucket; is the address right"):
        open_bucket(filled, "s3://none").list_days()
    with pytest.raises(VendorError, match="S3 answers 404 NoSuchKey"), open_bucket(filled).fetch("absent"):
        pass
    monkeypatch.setattr(flat_files, "ATTEMPTS", 1)
    with pytest.raises(VendorUnavailableError, match="cannot be read: EndpointConnectionError; try again later"):
        open_bucket("http://127.0.0.1:9").list_days()


@pytest.mark.parametrize(
    ("address", "endpoint", "keys", "message"),
    [
        ("s3://", "http://127.0.0.1:9", ("k", "s"), "write s3://bucket/prefix"),
        ("s3://flatfiles", "file:///etc", ("k", "s"), "write s3://bucket/prefix"),
        (
            "s3://flatfiles",
            "http://127.0.0.1:9",
            ("k", ""),
            "put the vendor's S3 access key and secret into connection",
        ),
    ],
)
def test_an_address_without_what_it_takes_says_so(address, endpoint, keys, message):
    with pytest.raises(ConfigurationError, match=message):
        open_bucket(endpoint, address, keys)


def test_the_files_of_a_folder_by_their_day(tmp_path):
    (tmp_path / "minutes" / "2024").mkdir(parents=True)
    for name in ("2024-01-03.csv.gz", "bars_20240102.parquet", "AAPL.csv", "2024-13-45.csv", "2024-01-09.txt.md"):
        (tmp_path / "minutes" / "2024" / name).write_text("x")
    folder = open_flat_files("minutes", tmp_path, "", "", "")
    days = folder.list_days()
    assert days == {DAYS[0]: "2024/bars_20240102.parquet", DAYS[1]: "2024/2024-01-03.csv.gz"}
    with folder.fetch(days[DAYS[0]]) as path:
        assert path.read_text() == "x"
    (tmp_path / "minutes" / "2024-01-03.csv").write_text("y")
    with pytest.raises(ConfigurationError, match=r"are both of 2024-01-03; leave one of them"):
        folder.list_days()


@pytest.mark.parametrize("path", ["../outside", "/", "link", "absent", "inside/../../outside", "file.csv"])
def test_nothing_outside_of_the_root_is_read(tmp_path, path):
    for name in ("root", "outside", "root/inside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "2024-01-02.csv").write_text("secret")
    (tmp_path / "root" / "file.csv").write_text("x")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "inside" / "2024-01-02.csv").symlink_to(tmp_path / "outside" / "2024-01-02.csv")
    with pytest.raises(ConfigurationError, match="is no folder below FLAT_FILES_FOLDER"):
        Folder(tmp_path / "root", path)
    assert Folder(tmp_path / "root", "inside").list_days() == {}
