"""Checks of whether a component works, made the way its clients would ask it."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

import celery
import httpx
import redis

from include.local_stack.ports import HOST, Ports


def http(url: str, bundle: Path | None = None) -> bool:
    """Whether an address answers below 400; ``bundle`` holds the CA of an https server."""
    trust = ssl.create_default_context(cafile=bundle) if bundle else True
    try:
        return httpx.get(url, timeout=5, verify=trust).status_code < 400
    except httpx.TransportError:
        return False


def was_touched(file: Path, started: float) -> bool:
    """Whether a file was written since then (epoch seconds)."""
    return file.exists() and file.stat().st_mtime >= started


def redis_answers(ports: Ports, password: str) -> bool:
    try:
        return redis.Redis(HOST, ports.redis, password=password, socket_timeout=2).ping()
    except redis.RedisError:
        return False


def airflow_component(ports: Ports, name: str, started: float) -> bool:
    """Whether a component has reported to the metadata database since it was started (epoch seconds).

    Args:
        name: metadatabase, scheduler, triggerer or dag_processor.
    """
    try:
        health = httpx.get(f"http://{HOST}:{ports.airflow}/api/v2/monitor/health", timeout=5).json()[name]
    except (httpx.TransportError, ValueError):
        return False
    heartbeat = health.get(f"latest_{name}_heartbeat")
    recent = heartbeat is None or datetime.fromisoformat(heartbeat).timestamp() >= started
    return health["status"] == "healthy" and recent


def worker_answers(broker_url: str, name: str) -> bool:
    """Whether the Celery worker of this name answers a ping over the broker."""
    app = celery.Celery(broker=broker_url)
    try:
        return any(who.startswith(f"{name}@") for answer in app.control.ping(timeout=1) for who in answer)
    except (OSError, redis.RedisError):
        return False
    finally:
        app.close()
