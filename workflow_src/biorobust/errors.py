"""The exceptions that a user is meant to read."""

# Not 1, so that whoever started the job can tell "start it again" from "something is wrong".
UNFINISHED_STATUS = 85


class UserError(Exception):
    """Input that cannot be used: what is wrong, where it is and what to do, in one line.

    The command line prints the text without a traceback and exits with status `status`.
    """

    status = 1


class Unfinished(UserError):
    """A job that stopped by itself, with all that it did saved: started again, it goes on."""

    status = UNFINISHED_STATUS
