"""The time in the names of recordings: patterns as of ``strptime``, given or found."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from hrin_plugin.text import shown

#: What each directive of a pattern stands for in a name; digits may lack a leading zero before other signs.
DIRECTIVES = {
    **{letter: r"\d\d" for letter in "mdHMSyI"},
    **{"Y": r"\d{4}", "j": r"\d{3}", "f": r"\d{1,6}", "p": "[AaPp][Mm]"},
    **{"b": r"[^\W\d_]{3}", "B": r"[^\W\d_]{3,}", "z": r"(?:Z|[+-]\d\d:?\d\d)"},
}

_SIGN = r"[-_. ]?"
_YEAR = r"(?:19|20)\d\d"
#: Dates that are found by themselves: with their orders, those with a year of four digits before the others.
_DATES = (
    (0, rf"({_YEAR})([-_./ ]?)(\d\d)\2(\d\d)", ("Ymd",)),
    (0, rf"(\d\d)([-_. ]?)(\d\d)\2({_YEAR})", ("dmY", "mdY")),
    (1, rf"(\d\d)({_SIGN})(\d\d)\2(\d\d)", ("ymd", "dmy", "mdy")),
)
_ZONE = r"(Z(?![^\W_])|\+\d\d:?\d\d)?"
_TIME = r"([T_\-. /]?|[_ ]at[_ ])(\d\d)(?:(h)|(?P<sign>[-_.:h]?)(\d\d)(?:(?P=sign)(\d\d))?)?" + _ZONE
_FOUND = [(rank, re.compile(rf"(?<!\d){date}{_TIME}(?!\d)"), o) for rank, date, o in _DATES]
_DATE_ALONE = re.compile(rf"(?<!\d){_YEAR}([-_./]?)\d\d\1\d\d(?!\d)")


class NamedTime(NamedTuple):
    """The time in a name, its place there, and the station if the pattern names one.

    Example
    -------
    >>> NamedTime(datetime(2026, 3, 28, 6), (4, 20)).station is None
    True
    """

    clock: datetime  # with a zone only where the name tells one
    place: tuple  # first character, and the one after the last
    station: str | None = None


class NamedTimes(NamedTuple):
    """The times in names.

    Example
    -------
    >>> NamedTimes([], {}).patterns
    {}
    """

    times: list  # of NamedTime, or None where a name tells no time
    patterns: dict  # each pattern to the names that it fits
    doubts: tuple = ()  # a line for each kind of name that may hold a time


def read_times(names: Sequence[str], pattern: str) -> NamedTimes:
    """The times in names by a pattern.

    Arguments
    ---------
    names : sequence of str
        Paths of recordings below their common folder, between ``/``, without endings.
    pattern : str
        As of ``datetime.strptime``. ``{station}`` stands for a station, ``*`` for any characters but ``/``.
        It may stand anywhere in a path and span its folders.

    Returns
    -------
    NamedTimes
        Where a name has several places that fit, the last one counts.

    Raises
    ------
    ValueError
        If the pattern holds no date or fits no name.

    Example
    -------
    >>> times, *_ = read_times(["oe1/2026/03/28/06"], "{station}/%Y/%m/%d/%H")
    >>> times[0].clock.isoformat(), times[0].station
    ('2026-03-28T06:00:00', 'oe1')
    """
    expression, directives = _compile(pattern)
    times, fitting = [], []
    for name in names:
        times.append(_last(name, expression, directives))
        fitting += [name] * (times[-1] is not None)
    if names and not fitting:
        raise ValueError(
            f"--names {shown(pattern)}: fits no name, such as {shown(names[0])}; correct the pattern"
        )
    return NamedTimes(times, {pattern: fitting})


def find_times(names: Sequence[str]) -> NamedTimes:
    """The times in names by common patterns.

    A pattern has a date and an hour. Names of the same shape share one pattern: the one that fits most of
    them. A year of four digits goes before one of two. Names with six digits that may be several dates tell
    no time.

    Arguments
    ---------
    names : sequence of str
        As for :func:`read_times`.

    Returns
    -------
    NamedTimes
        The times and the patterns found.

    Raises
    ------
    ValueError
        If several patterns with a year of four digits fit, as where day and month may be exchanged.

    Example
    -------
    >>> times, patterns, _ = find_times(["a_28-03-2026_06h", "a_01-04-2026_06h", "jingle"])
    >>> times[1].clock.isoformat(), times[2], list(patterns)
    ('2026-04-01T06:00:00', None, ['%d-%m-%Y_%Hh'])
    """
    shapes = defaultdict(list)
    for number, name in enumerate(names):
        candidates = _candidates(name)
        if candidates:
            shapes[tuple(candidates)].append(number)
    times, patterns, doubts = [None] * len(names), defaultdict(list), []
    for candidates, members in shapes.items():
        compiled = {pattern: _compile(pattern) for _, pattern in candidates}
        read = {
            pattern: {number: _last(names[number], *how) for number in members}
            for pattern, how in compiled.items()
        }
        counts = Counter({p: sum(time is not None for time in found.values()) for p, found in read.items()})
        best = [
            [
                pattern
                for of, pattern in candidates
                if of == rank and counts[pattern] == max(counts.values()) > 0
            ]
            for rank in (0, 1)
        ]
        fitting = best[0] or best[1]
        if len(fitting) > 1:
            choices = " or ".join(f"'{pattern}'" for pattern in fitting)
            problem = f"the time in {shown(names[members[0]])} is ambiguous; give --names {choices}"
            if best[0]:
                raise ValueError(f"{problem}, or --names none")
            doubts.append(problem)
            continue
        for number, time in read[fitting[0]].items() if fitting else ():
            times[number] = time
            patterns[fitting[0]] += [names[number]] * (time is not None)
    return NamedTimes(times, dict(patterns), tuple(doubts))


def has_date_alone(name: str) -> bool:
    """Whether a name has a date without a time of day.

    Example
    -------
    >>> has_date_alone("news_2026-03-28"), has_date_alone("news")
    (True, False)
    """
    return bool(_DATE_ALONE.search(name)) and not _candidates(name)


def _candidates(name):
    """The patterns that a name may have, each as (rank, pattern)."""
    candidates = []
    for rank, expression, orders in _FOUND:
        match = next(reversed(list(expression.finditer(name))), None)
        if not match:
            continue
        _, sign, _, _, between, _, hour_sign, time_sign, minutes, seconds, zone = match.groups()
        time = (
            "%H"
            + (hour_sign or (f"{time_sign}%M" if minutes else ""))
            + (f"{time_sign}%S" if seconds else "")
        )
        for order in orders:
            date = sign.join(f"%{letter}" for letter in order)
            candidates.append((rank, f"{date}{between}{time}{'%z' if zone else ''}"))
    return candidates


def _compile(pattern):
    """A pattern as a regular expression, and its directives in order; refuses those without a date."""
    pattern = re.sub(r"\.[A-Za-z0-9]{2,4}$", "", pattern)
    parts, directives, tokens = [], [], re.findall(r"%.?|\{station\}|\*|[^%{*]+|.", pattern)
    for token, following in itertools.zip_longest(tokens, tokens[1:], fillvalue=""):
        letter = token[1:] if token.startswith("%") else ""
        if token == "{station}":
            parts.append("(?P=station)" if "(?P<station>" in "".join(parts) else "(?P<station>[^/]+?)")
        elif token == "*":
            parts.append("[^/]*?")
        elif letter in DIRECTIVES:
            digits = DIRECTIVES[letter]
            if digits == r"\d\d" and not following.startswith("%"):
                digits = r"\d\d?(?!\d)"
            parts.append(f"(?P={letter})" if letter in directives else f"(?P<{letter}>{digits})")
            directives += [letter] * (letter not in directives)
        elif letter == "%" or not token.startswith("%"):
            parts.append(re.escape(letter or token))
        else:
            known = ", ".join(f"%{each}" for each in DIRECTIVES)
            raise ValueError(
                f"--names {shown(pattern)}: {shown(token)} is not known; use {known}, * or {{station}}"
            )
    held = set(directives)
    if not held & {"Y", "y"} or not ("j" in held or (held & {"m", "b", "B"} and "d" in held)):
        problem = f"--names {shown(pattern)}: has no whole date"
        raise ValueError(f"{problem}; give year, month and day, as in %Y-%m-%d_%H-%M")
    start = r"(?<!\d)" if tokens[0].startswith("%") else r"(?<![^/])" if tokens[0] == "{station}" else ""
    return re.compile(start + "".join(parts) + (r"(?!\d)" if tokens[-1].startswith("%") else "")), directives


def _last(name, expression, directives):
    """The last time in a name by a pattern, or None."""
    for match in reversed(list(expression.finditer(name))):
        values = match.groupdict()
        try:
            text = " ".join(values[letter] for letter in directives)
            clock = datetime.strptime(text, " ".join(f"%{letter}" for letter in directives))
        except ValueError:  # such as a 13th month
            continue
        return NamedTime(clock, match.span(), values.get("station"))
    return None
