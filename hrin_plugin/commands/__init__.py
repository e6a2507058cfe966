"""The subcommands of ``hrin``, a file each: its options, and what it does with them.

What a subcommand needs is imported when it runs, so that help comes at once.
"""


class Failure(Exception):
    """Ends a command with a message of one line and exit status 1.

    Example
    -------
    >>> raise Failure("2 of 3 recordings failed")
    Traceback (most recent call last):
    ...
    Failure: 2 of 3 recordings failed
    """
