"""What a user did wrong, in one line."""


class TacitError(Exception):
    """A mistake in the input or the surroundings: its text names the field, the value and the mend.

    The command line prints the text and exits with code 2; anything else that escapes is a bug.
    """


class Interrupted(TacitError):
    """The user stopped a run; what was complete is on disk."""
