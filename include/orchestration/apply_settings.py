"""Put the pools and variables of airflow_settings.yaml into Airflow's metadata database; safe to repeat.

``python -m include.orchestration.apply_settings [FILE]``. The Astro CLI reads the same file by itself; a plain
``docker compose up`` and the local stack run this instead. Connections come from the environment.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

SETTINGS = Path(__file__).parents[2] / "airflow_settings.yaml"


def apply_settings(settings: dict[str, Any]) -> list[str]:
    """Create or update pools and variables; return one line for each.

    Raises:
        KeyError: an entry lacks its name, slots or value.
    """
    # These connect to the database that Airflow's settings name when they are imported.
    from airflow.models.pool import Pool
    from airflow.models.variable import Variable

    done = []
    for pool in settings.get("pools") or []:
        name, slots = pool["pool_name"], int(pool["pool_slot"])
        Pool.create_or_update_pool(name, slots, pool.get("pool_description", ""), include_deferred=False)
        done.append(f"pool {name}: {slots} slots")
    for variable in settings.get("variables") or []:
        name = variable["variable_name"]
        Variable.set(name, variable["variable_value"])
        done.append(f"variable {name}")
    return done


def main(arguments: list[str]) -> None:
    path = Path(arguments[0]) if arguments else SETTINGS
    for line in apply_settings(yaml.safe_load(path.read_text())["airflow"]):
        print(line)  # noqa: T201 - a command's output


if __name__ == "__main__":
    main(sys.argv[1:])
