"""The desk as Airflow's API server serves it, in a test's process, and Debian's browser on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from include.local_stack.ports import HOST
from tests.conftest import free_port

CHROMIUM = Path("/usr/bin/chromium")
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def create_app() -> Any:
    """Create Airflow's own API server with our plugins in it, as `airflow api-server` runs it, and users.

    Each role has a user of its name in small letters, who signs in with ``password_of`` it. The metadata is there.
    """
    from airflow.api_fastapi.app import create_app

    from include.orchestration.accounts.apply_roles import apply_roles
    from include.orchestration.accounts.roles import ADMIN, ROLES

    apply_roles([(role.lower(), password_of(role), role) for role in (*ROLES, ADMIN)])
    return create_app(apps="all")


def password_of(role: str) -> str:
    return f"password of {role}"


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """Let an app that has been started listen on a port of its own; yields its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host=HOST, port=port, lifespan="off", log_level="warning"))
    # What stands for signals belongs to the main thread.
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://{HOST}:{port}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)


@contextmanager
def browser(*arguments: str) -> Iterator[Any]:
    """Run Debian's browser without a window; ``arguments`` are its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", *arguments]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        try:
            yield chromium
        finally:
            chromium.close()


def open_context(chromium: Any, address: str, token: str, **options: Any) -> Any:
    """Open the browser anew, as one whom Airflow knows by a token, which ends with the context."""
    context = chromium.new_context(**({"viewport": WIDE, "color_scheme": "light"} | options))
    context.set_default_timeout(30_000)
    context.add_cookies([{"name": "_token", "value": token, "url": address}])
    return context


def wait_until(page: Any, condition: str, seconds: float = 60) -> None:
    """Return when an expression of JavaScript is true; the page's policy lets nobody evaluate a string later."""
    page.evaluate(
        f"""async () => {{
            const begun = performance.now();
            while (!({condition})) {{
                if (performance.now() - begun > {seconds} * 1000) throw new Error("not within {seconds} s");
                await new Promise(requestAnimationFrame);
            }}
        }}"""
    )
