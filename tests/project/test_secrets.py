"""Nothing secret is in a file that is kept, and what is generated is never kept."""

from __future__ import annotations

import ast
import re
import subprocess

import pytest

from include.local_stack.credentials import GENERATORS
from tests.paths import ROOT
from tests.project.files import dotenv, kept_files

SHAPES = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a Fernet key": re.compile(r"(?<![\w/+-])[\w-]{43}=(?![\w=])"),
    "an AWS key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a Slack webhook": re.compile(r"hooks\.slack\.com/services/T\w+/B\w+/\w+"),
    "a Slack token": re.compile(r"\bxox[abprs]-[\w-]{10,}"),
    "a GitHub token": re.compile(r"\bgh[pousr]_\w{30,}"),
    "a JSON web token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\."),
    "a password in an address": re.compile(r"://[\w.-]+:(?![{$<%])[^@\s/{$]{6,}@"),
}
TEXT = {".py", ".sql", ".yml", ".yaml", ".toml", ".md", ".txt", ".env", ".example", ".cfg", ".ini", ".json", ".xml", ""}
SECRET_NAME = re.compile(r"(password|passwd|passphrase|secret|api_?key|token)$", re.IGNORECASE)
# Kept with a hash per distribution: long strings that are no secrets.
EXEMPT = {"requirements.lock"}

GENERATED = {".env", "airflow.env", "channels.env", "watchdog.env", "secrets.env", "passwords.json"}


def findings(text: str) -> list[str]:
    return [f"{what}: {match[0][:12]}..." for what, shape in SHAPES.items() if (match := shape.search(text))]


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN EC PRIVATE " + "KEY-----",
        "FERNET_KEY=" + "Zm9v" * 10 + "Zm9=",
        "AKIA" + "A1B2C3D4" * 2,
        "https://hooks.slack.com/services/" + "T01/B01/abcdef",
        "postgresql://airflow:" + "airflow@postgres/airflow",
        "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiJhZG1pbiJ9" + ".x",
    ],
)
def test_the_scan_sees(text):
    assert findings(text)


def test_no_kept_file_holds_a_secret():
    scanned = [path for path in kept_files() if path.suffix in TEXT and path.name not in EXEMPT]
    assert len(scanned) > 50
    by_file = {path.relative_to(ROOT).as_posix(): findings(path.read_text(errors="ignore")) for path in scanned}
    assert not {name: what for name, what in by_file.items() if what}


def test_no_kept_file_is_a_key_or_an_env_file():
    for path in kept_files():
        assert path.suffix not in {".pem", ".key", ".p8", ".crt"}, path
        assert path.name not in GENERATED, path


@pytest.mark.parametrize("name", [".env", "airflow.env", "channels.env", "watchdog.env", ".local/secrets.env"])
def test_git_ignores_what_is_generated(name):
    assert subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT).returncode == 0


def test_the_settings_file_that_astro_would_ignore_is_kept():
    ignored = subprocess.run(["git", "check-ignore", "--quiet", "airflow_settings.yaml"], cwd=ROOT).returncode == 0
    assert not ignored


def test_the_examples_leave_every_secret_empty():
    example = dotenv(ROOT / ".env.example")
    assert set(GENERATORS) <= set(example), f".env.example lacks {sorted(set(GENERATORS) - set(example))}"
    for name, value in {
        **example,
        **dotenv(ROOT / "airflow.env.example"),
        **dotenv(ROOT / "channels.env.example"),
    }.items():
        if name.endswith(("PASSWORD", "SECRET", "_KEY", "TOKEN")):
            assert not value, f"{name} has a value"


def literals(code: str) -> list[str]:
    """Each password, key or token that Python code holds as a text: keyword, default, entry or variable."""
    secrets = []
    for node in ast.walk(ast.parse(code)):
        pairs: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.keyword):
            pairs = [(node.arg or "", node.value)]
        elif isinstance(node, ast.Dict):
            pairs = [(getattr(key, "value", ""), value) for key, value in zip(node.keys, node.values, strict=True)]
        elif isinstance(node, ast.Assign):
            pairs = [(ast.unparse(target), node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign):
            pairs = [(ast.unparse(node.target), node.value)]
        elif isinstance(node, ast.arguments):
            names = [argument.arg for argument in (*node.posonlyargs, *node.args)]
            pairs = [*zip(reversed(names), reversed(node.defaults), strict=False)]
            pairs += zip([argument.arg for argument in node.kwonlyargs], node.kw_defaults, strict=True)
        for name, value in pairs:
            text = value.value if isinstance(value, ast.Constant) else ""
            if isinstance(text, str) and text not in ("", name) and SECRET_NAME.search(str(name)):
                secrets.append(f"{name} = {text!r}")
    return secrets


@pytest.mark.parametrize(
    "code",
    [
        "connect(password='x')",
        "api_key = 'x'",
        "token: str = 'x'",
        "{'sasl.password': 'x'}",
        "def f(a, secret='x'): ...",
        "def f(*, api_key='x'): ...",
    ],
)
def test_the_scan_of_code_sees(code):
    assert literals(code)


def test_no_code_has_a_password_to_fall_back_on():
    code = [path for path in kept_files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] != "tests"]
    assert len(code) > 100
    by_file = {path.relative_to(ROOT).as_posix(): literals(path.read_text()) for path in code}
    # Snowflake's number for a wrong password.
    assert {name: texts for name, texts in by_file.items() if texts} == {
        "include/embedded_warehouse/sessions.py": ["WRONG_PASSWORD = '390100'"]
    }


def test_the_image_holds_no_secret():
    """A build argument or variable stays in the image; what dbt wants to parse is no password."""
    text = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"\w*(?:PASSWORD|SECRET|KEY|TOKEN)\w*=(\S+)", text)) == {"none"}
    assert not re.search(r"^(ARG|ENV) .*(PASSWORD|SECRET|KEY|TOKEN)", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["ALL_ADMINS", "EXPOSE_CONFIG", "HIDE_SENSITIVE_VAR_CONN_FIELDS"])
def test_airflows_guards_stay_as_they_come(name):
    """Nobody is an administrator without a login, settings are not shown, fields named like secrets are masked."""
    for file in ("airflow.env.example", ".env.example", "docker-compose.yml", "Dockerfile"):
        assert name not in (ROOT / file).read_text(), file
    assert name not in (ROOT / "include/local_stack/environment.py").read_text()
