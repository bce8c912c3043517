"""The stack as one object that starts, names its addresses and stops."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from include.local_stack import components, monitoring, postgres
from include.local_stack.access import withheld
from include.local_stack.components import Component
from include.local_stack.credentials import ensure_credentials, write_secret
from include.local_stack.environment import ADMIN, ROOT, build_environment, user_environment, uses_vendor
from include.local_stack.errors import StackError, log_end
from include.local_stack.feature_store import ensure_virtualenv
from include.local_stack.initialisation import initialise
from include.local_stack.market import Market
from include.local_stack.patience import Patience
from include.local_stack.ports import Ports
from include.local_stack.prerequisites import ensure_prerequisites
from include.local_stack.rotation import rotate
from include.local_stack.supervisor import Supervisor
from include.surveillance.errors import SurveillanceError
from include.surveillance.polygon.client import Polygon
from include.surveillance.settings import Settings

SECRETS = "secrets.env"
POLL_SECONDS = 0.2
ENDED = {"BACKOFF", "EXITED", "FATAL"}


class Stack:
    """Every component on this machine, with its state in one folder (``STACK_STATE``, default ``.local``).

    Used as a context manager it starts on entry and stops on exit.

    Args:
        replay: a file of recorded bars to replay; None for the generated market, or the vendor's when the user has
            set an API key.

    Raises:
        StackError: a setting is wrong, or the state folder belongs to another market.
    """

    def __init__(self, replay: Path | None = None, console: Console | None = None):
        self.console = console or Console(highlight=False, soft_wrap=True)
        user = user_environment()
        self.state = state_folder(user)
        self.state.mkdir(parents=True, exist_ok=True)
        # Logs, queued work and the market's data are for nobody else's eyes.
        self.state.chmod(0o700)
        self.ports = Ports.from_env(user)
        self.credentials = ensure_credentials(self.state / SECRETS)
        self.market = Market.choose(self.state, Market.wanted(replay, uses_vendor(user, self.credentials)))
        self.environment = build_environment(self.state, self.ports, self.credentials, self.market, user)
        self.supervisor = Supervisor(self.state)

    def start(self) -> None:
        """Start everything and return when all of it is healthy; after a failure stop it again.

        Raises:
            VendorError: the vendor refuses the user's API key.
            VendorUnavailableError: the vendor cannot be reached.
            StackError: the stack is running already, a program is missing and cannot be installed from here, another
                program has a port that a component needs, or a component does not become healthy.
        """
        self._launch()
        try:
            self._bring_up(self._services())
            self.initialise()
            self.market.store(self.state)
            self._bring_up(self._airflow())
            self._bring_up(self._watchers())
        except BaseException as error:
            self._stop_after(error)
            raise

    @contextmanager
    def services(self) -> Iterator[None]:
        """Run the services without Airflow within the block.

        Raises:
            StackError: as of ``start``.
        """
        self._launch()
        failure: BaseException | None = None
        try:
            self._bring_up(self._services())
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            self._stop_after(failure)

    def initialise(self) -> None:
        """Bring tables, topics, roles and dbt's manifest to what this version needs; the services run.

        Raises:
            StackError: a step failed; the message carries the end of its log.
        """
        if Settings.from_env(self.environment).features == "1":
            with self._step("feature-store"):
                ensure_virtualenv(self.state / "feature-store")
        with self._step("initialise"):
            unwanted = withheld("airflow-init")
            initialise(
                {name: value for name, value in self.environment.items() if name not in unwanted}, self.supervisor.logs
            )

    def _launch(self) -> None:
        """Check what a start needs, and start supervisord."""
        if self.supervisor.is_running():
            raise StackError(f"the stack in {self.state} is already running; stop it with `make stop`")
        monitored = monitoring.is_wanted(self.environment)
        ensure_prerequisites(self.console.print, monitoring=monitored)
        if self.market.mode == "vendor":
            Polygon(self.environment["POLYGON_API_KEY"], self.environment["POLYGON_BASE_URL"]).check()
        unused = {"simulator"} if self.market.mode == "vendor" else set()
        unused |= set() if monitored else set(monitoring.PROGRAMS)
        self.ports.check_free([name for name in vars(self.ports) if name not in unused])
        postgres.move_data(self.state)
        data = postgres.data_folder(self.state)
        if data != self.state / "postgres":
            self.console.print(f"PostgreSQL's user cannot enter {self.state}; its data is in {data}")
        self.supervisor.start(self.components(), self.environment)

    def stop(self) -> None:
        """Stop everything, what stands on others before them; nothing happens when it is not running."""
        if self.supervisor.is_running():
            with self._step("stop"):
                self.supervisor.stop()

    def _stop_after(self, error: BaseException | None) -> None:
        """Stop everything; an error is shown before, which takes minutes, and is not lost when stopping fails, too."""
        if error is None:
            self.stop()
            return
        if isinstance(error, SurveillanceError):
            self.console.print(f"[red]✗[/] {escape(str(error))}")
        try:
            self.stop()
        except StackError as second:
            self.console.print(f"[red]✗[/] {escape(str(second))}")

    def components(self) -> list[Component]:
        """Return every component, in the order in which they start."""
        return [*self._services(), *self._airflow(), *self._watchers()]

    def show_addresses(self) -> None:
        for name, address in self.addresses().items():
            self.console.print(f"  [bold]{name:<14}[/] {address}")

    def addresses(self) -> dict[str, str]:
        """Return the addresses that a person opens or connects to, by name."""
        known = {component.name: component.address for component in self.components() if component.address}
        web = known.pop("api-server")
        login = f"{web} (user {ADMIN}, password {self.credentials['AIRFLOW_ADMIN_PASSWORD']})"
        return {"airflow": login, "dbt-docs": known.pop("dbt-docs"), **known, "logs": str(self.supervisor.logs)}

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._stop_after(error)

    def _services(self) -> list[Component]:
        return components.services(self.state, self.ports, self.credentials, self.market)

    def _airflow(self) -> list[Component]:
        return components.airflow(self.state, self.ports, self.environment)

    def _watchers(self) -> list[Component]:
        return [components.watchdog(self.state), *monitoring.components(self.state, self.ports, self.environment)]

    def _bring_up(self, group: list[Component]) -> None:
        """Launch a group's components at once, then wait for each in order."""
        begun = time.monotonic()
        for component in group:
            component.prepare()
            self.supervisor.launch(component.name)
        for component in group:
            with self._step(component.name, component.address, begun):
                self._wait(component)
                component.complete()

    def _wait(self, component: Component) -> None:
        patience = Patience(component.limit_seconds)
        first = self.supervisor.info(component.name)["pid"]
        while True:
            info = self.supervisor.info(component.name)
            if info["statename"] == "RUNNING" and component.healthy(info["start"]):
                return
            if info["statename"] == "STOPPED":
                raise StackError(
                    f"{component.name} was stopped while it started; `make stop` in another shell does that"
                )
            if info["statename"] in ENDED or info["pid"] != first:
                raise self._failure(component, "ended while it started")
            if patience.is_over():
                raise self._failure(component, f"is not healthy after {patience.describe()}: no {component.sign}")
            time.sleep(POLL_SECONDS)

    def _failure(self, component: Component, what: str) -> StackError:
        return StackError(f"{component.name} {what}; {log_end(self.supervisor.logs / f'{component.name}.log')}")

    @contextmanager
    def _step(self, name: str, address: str = "", begun: float | None = None) -> Iterator[None]:
        """Print one line per step: a spinner while it runs (on a terminal only), then the seconds it took."""
        begun = begun or time.monotonic()
        with self.console.status(f"{name} …"):
            yield
        self.console.print(f"[green]✓[/] {name:<14} [dim]{time.monotonic() - begun:5.1f} s[/]  {address}")


def state_folder(user: Mapping[str, str]) -> Path:
    """Return the folder that ``STACK_STATE`` names, or ``.local`` in the project."""
    return Path(user.get("STACK_STATE") or ROOT / ".local").resolve()


def rotate_secrets(state: Path) -> None:
    """Generate every password and key of a stopped stack anew; they hold from its next start.

    Raises:
        StackError: the stack is running, or has never been started.
    """
    file = state / SECRETS
    if Supervisor(state).is_running():
        raise StackError(f"the stack in {state} is running; stop it with `make stop` first")
    if not file.exists():
        raise StackError(f"{file} does not exist yet: a stack generates its secrets at its first start")
    rotated = rotate(file.read_text(), kept=set())
    postgres.move_data(state)
    data = postgres.data_folder(state)
    if (data / "PG_VERSION").exists():
        new = dict(line.split("=", 1) for line in rotated.splitlines())
        postgres.change_password(data, new["POSTGRES_PASSWORD"])
    write_secret(file, rotated)


def clean(state: Path) -> None:
    """Remove a state folder and PostgreSQL's data where it lies outside of it.

    Raises:
        StackError: the stack is running.
    """
    if Supervisor(state).is_running():
        raise StackError(f"the stack in {state} is running; stop it with `make stop` first")
    for folder in (state, postgres.outside_folder(state)):
        if folder.exists():
            shutil.rmtree(folder)
