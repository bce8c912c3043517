import pytest

from tests.sinks import HttpSink, SmtpSink, serving


@pytest.fixture
def sink():
    server = HttpSink()
    with serving(server):
        yield server


@pytest.fixture
def smtp():
    server = SmtpSink()
    with serving(server):
        yield server
