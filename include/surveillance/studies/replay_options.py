"""What a replay ran with, in a file beside its results: who looks at one of its alerts need not say it again."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct, structs

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import Reading
from include.surveillance.sessions import Sessions
from include.surveillance.studies.recorded import RecordedFiles, remembered_by

NAME = "replay.json"
CALENDAR = "XNYS"
_READING = ("format", "zone", "symbol", "timespan", "stamps", "dates")


class ReplayOptions(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The options of a replay; what is None was not said.

    The paths are absolute. ``bars`` to ``profiles`` are as in ``RecordedFiles``, ``format`` to ``dates`` as in
    ``Reading``, the others as the command ``replay`` takes them.
    """

    bars: str | None = None
    news: str | None = None
    splits: str | None = None
    dividends: str | None = None
    ticker_changes: str | None = None
    scheduled_events: str | None = None
    profiles: str | None = None
    format: str | None = None
    zone: str | None = None
    symbol: str | None = None
    timespan: str | None = None
    stamps: str | None = None
    dates: str | None = None
    params: str | None = None
    rules: RuleForm | dict[str, RuleForm] | None = None
    history: Percentiles | None = None
    session_reset: bool | None = None
    calendar: str | None = None

    @classmethod
    def given(
        cls,
        paths: dict[str, Path | None],
        reading: Reading,
        *,
        rules: RuleForm | None,
        history: Percentiles | None,
        session_reset: bool | None,
        calendar: str | None,
    ) -> ReplayOptions:
        """Take the options of a command; ``paths`` are the files by their names here."""
        absolute = {name: str(path.absolute()) if path else None for name, path in paths.items()}
        read = {name: getattr(reading, name) for name in _READING}
        return cls(**absolute, **read, rules=rules, history=history, session_reset=session_reset, calendar=calendar)

    def completed(self, alerts: Path | None) -> ReplayOptions:
        """Return these options, and where one was not said that of the replay which wrote a file of alerts.

        Raises:
            ConfigurationError: what is beside the alerts cannot be read.
        """
        stored = _read(alerts.with_name(NAME)) if alerts else ReplayOptions()
        said = {name: value for name, value in structs.asdict(self).items() if value is not None}
        return structs.replace(stored, **said)

    def files(self) -> RecordedFiles:
        """Return the files.

        Raises:
            ConfigurationError: nobody says which bars.
        """
        if self.bars is None:
            raise ConfigurationError(f"give --bars: there is no {NAME} beside the alerts that says on which they rest")
        beside = (self.news, self.splits, self.dividends, self.ticker_changes, self.profiles)
        news, splits, dividends, ticker_changes, profiles = (Path(path) if path else None for path in beside)
        reading = Reading(**{name: getattr(self, name) for name in _READING})
        scheduled = Path(self.scheduled_events) if self.scheduled_events else None
        return RecordedFiles(
            Path(self.bars), news, splits, dividends, ticker_changes, profiles, reading, scheduled_events=scheduled
        )

    def sessions(self) -> Sessions:
        """Return the sessions of the calendar.

        Raises:
            ConfigurationError: there is no such calendar.
        """
        return Sessions(self.calendar or CALENDAR)

    def write(self, folder: Path, book: ParameterBook) -> None:
        """Write what a replay with these options and this book has run with."""
        base = book.base
        ran = structs.replace(
            self,
            rules=base.alerting_form,
            history=self.history or remembered_by(book),
            session_reset=base.session_reset,
            calendar=self.calendar or CALENDAR,
        )
        (folder / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(ran), indent=2) + b"\n")


def _read(file: Path) -> ReplayOptions:
    if not file.exists():
        return ReplayOptions()
    try:
        return msgspec.json.decode(file.read_bytes(), type=ReplayOptions)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}; replay the bars again") from error
