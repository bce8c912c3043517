"""Where the domain meets Airflow: connections, sensors, triggers, callbacks, timetables, assets and the page.

Every component of Airflow imports this package first, be it by its executor, Celery's settings or a DAG file. So it is
here that an airflow.env with the class paths of an earlier version is refused, in one sentence.
"""

import os
import re

from include.surveillance.errors import ConfigurationError

_MOVED = re.compile(r"include\.orchestration\.(celery_warmup|fast_lane|paced_executor)\b")

for _name, _value in os.environ.items():
    if _name.startswith("AIRFLOW__") and (_old := _MOVED.search(_value)):
        raise ConfigurationError(
            f"{_name} names {_old[0]}, which is now include.orchestration.runtime.{_old[1]}: change that line of "
            "airflow.env, or of whatever else sets the variable, as airflow.env.example has it"
        )
