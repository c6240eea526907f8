"""What can go wrong with the local stack, told to a person at a terminal."""


class LocalStackError(Exception):
    """The root: its text says what happened and what to do."""


class AlreadyUp(LocalStackError):
    """A stack is up, or half up, in this state folder."""


class NotUp(LocalStackError):
    """No stack is up in this state folder."""


class StartFailed(LocalStackError):
    """A process did not start, or a command of the deployment failed; the log named in the text has the rest."""
