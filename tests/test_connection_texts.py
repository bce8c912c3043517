"""What ``include.deployment`` writes is read again, whatever signs a password has."""

import json

import pytest

from include.connection_texts import read_kafka, read_postgres


@pytest.mark.parametrize("password", ["p", "p@:/%\"'\\ {}"])
def test_a_login_is_read_as_it_was_written(password):
    text = json.dumps({"conn_type": "postgres", "host": "h", "login": "l", "password": password, "schema": "d"})
    assert read_postgres(text) == {"host": "h", "port": 5432, "user": "l", "password": password, "dbname": "d"}
    assert read_postgres(json.dumps({"host": "h", "port": 5433}))["port"] == 5433


@pytest.mark.parametrize("wrap", [lambda extra: extra, json.dumps], ids=["an object", "text"])
def test_the_clients_configuration_is_the_extra(wrap):
    extra = {"bootstrap.servers": "h:9092", "sasl.password": 'p"\\'}
    assert read_kafka(json.dumps({"conn_type": "kafka", "extra": wrap(extra)})) == extra


def test_without_an_extra_there_is_no_configuration():
    assert read_kafka('{"conn_type": "kafka"}') == {}
