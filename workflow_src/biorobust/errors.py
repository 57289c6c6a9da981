"""The one exception that a user is meant to read."""


class UserError(Exception):
    """Input that cannot be used: what is wrong, where it is and what to do, in one line.

    The command line prints the text without a traceback and exits with status 1.
    """
