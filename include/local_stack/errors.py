"""The errors of a stack that starts; each message says in one line what to do."""

from include.surveillance.errors import SurveillanceError


class StackError(SurveillanceError):
    """The local stack cannot start or go on."""


class MissingPrerequisiteError(StackError):
    """A program that the stack needs is not installed and cannot be installed from here."""


class PortInUseError(StackError):
    """Another program listens on a port that a component needs."""
