"""The error of the local stack; each message says in one line what to do."""

from include.surveillance.errors import SurveillanceError


class StackError(SurveillanceError):
    """The local stack cannot start or go on."""
