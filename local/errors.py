"""Errors of the local stack. Their text is for a person at a terminal."""


class LocalStackError(Exception):
    """The base class; the text says what happened and what to do."""


class AlreadyUp(LocalStackError):
    """A stack is running or starting in this state folder."""


class StartFailed(LocalStackError):
    """A process did not start, or a command failed; the text names its log."""
