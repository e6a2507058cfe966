"""The ways from frame probabilities to events, and their settings.

=========== =====================================================================================
method      decision
=========== =====================================================================================
threshold   every probability against its label's threshold: the paper's, with 0.5
argmax      on each level, the most probable class of every frame
median      a median over the time around each frame, then as ``threshold``
viterbi     one sequence of the lowest level's classes, explained best by the outputs of all levels
            at a cost for each switch; the classes of the upper levels follow from it
=========== =====================================================================================

With ``threshold`` and ``median`` each class is on or off by itself, so that classes can
overlap or leave gaps, and an event shorter than its label's minimum is dropped. With
``argmax`` and ``viterbi`` a level has one class at any time, and an event shorter than
its label's minimum becomes part of the event before it (the first one, of that after
it). With ``viterbi`` the levels never contradict each other.
"""

import json
import math
import numbers
from dataclasses import asdict, dataclass, fields

from hrin_plugin.files import write_atomically

METHODS = ("threshold", "argmax", "median", "viterbi")


@dataclass(frozen=True)
class Decoding:
    """How frame probabilities become events.

    A method uses its own settings and leaves the others aside, so that one Decoding
    can hold the best of several methods.

    Arguments
    ---------
    method : str
        One of :data:`METHODS`; see the top of this module.
    thresholds : float or dict
        For ``threshold`` and ``median``: the least probability of an active class,
        one for all or by label, 0.5 for labels that are not named.
    switching_cost : float
        For ``viterbi``: what every change of class costs, in nats. The frames of an
        event must speak for it by more than its two changes cost.
    median_s : float
        For ``median``: the seconds that the median is taken over, to the nearest odd
        number of frames.
    min_event_s : float or dict
        Seconds that an event must last, one for all or by label, 0 for labels that
        are not named. With ``viterbi`` they are those of the lowest level's labels.

    Raises
    ------
    ValueError
        If the method is unknown, or a number is not one or out of its range.

    Example
    -------
    >>> Decoding("threshold", thresholds={"music": 0.4}).to_dict()["thresholds"]
    {'music': 0.4}
    >>> Decoding("viterbi", switching_cost=-1.0)
    Traceback (most recent call last):
    ...
    ValueError: switching_cost is -1.0; give a number of nats, 0 or more
    """

    method: str = "viterbi"
    thresholds: object = 0.5
    # Around these two, the scores of mixes of real recordings hardly change.
    switching_cost: float = 100.0
    median_s: float = 2.0
    min_event_s: object = 0.0

    def __post_init__(self):
        """Check every setting, also those that the method leaves aside."""
        if self.method not in METHODS:
            raise ValueError(f"method is {self.method!r}; use one of {', '.join(METHODS)}")
        for name, value in _numbers("thresholds", self.thresholds):
            _check_number(name, value, 1.0, "a probability, 0 to 1")
        _check_number("switching_cost", self.switching_cost, math.inf, "a number of nats, 0 or more")
        _check_number("median_s", self.median_s, math.inf, "seconds, 0 or more")
        for name, value in _numbers("min_event_s", self.min_event_s):
            _check_number(name, value, math.inf, "seconds, 0 or more")
        for field in fields(self)[1:]:
            # Plain floats, whatever kind of number they were, and nobody else's dict.
            object.__setattr__(self, field.name, _plain(getattr(self, field.name)))

    def __str__(self):
        """The method with the settings that it uses."""
        used = {
            "threshold": f"threshold {_words(self.thresholds)}",
            "argmax": "argmax",
            "median": f"median over {self.median_s:g} s, threshold {_words(self.thresholds)}",
            "viterbi": f"viterbi, switching cost {self.switching_cost:g}",
        }[self.method]
        least = any(value for _, value in _numbers("", self.min_event_s))
        return used + (f", events of at least {_words(self.min_event_s)} s" if least else "")

    @classmethod
    def from_dict(cls, settings):
        """A Decoding from plain values, such as those of a JSON file.

        Arguments
        ---------
        settings : dict
            Values by the names of the arguments; what is missing has its default.

        Returns
        -------
        Decoding
            The decoding.

        Raises
        ------
        ValueError
            If it is no dict, a name is unknown, or as of the class.

        Example
        -------
        >>> Decoding.from_dict({"method": "argmax"}).median_s
        2.0
        >>> Decoding.from_dict({"methode": "argmax"})
        Traceback (most recent call last):
        ...
        ValueError: a decoding has no 'methode'; it has method, thresholds, switching_cost, ...
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(settings, dict):
            raise ValueError(f"a decoding is a mapping of {', '.join(names)}, not {settings!r}")
        for name in settings:
            if name not in names:
                raise ValueError(f"a decoding has no {name!r}; it has {', '.join(names)}")
        return cls(**settings)

    def to_dict(self):
        """The settings as plain values, ready for JSON.

        Example
        -------
        >>> Decoding.from_dict(Decoding("median").to_dict()) == Decoding("median")
        True
        """
        return asdict(self)


def read_decoding(path):
    """A Decoding from a JSON file.

    Arguments
    ---------
    path : str or pathlib.Path
        A file that :func:`write_decoding` wrote, or one like it.

    Returns
    -------
    Decoding
        The decoding.

    Raises
    ------
    ValueError
        If the file cannot be read, or what it holds is no decoding.

    Example
    -------
    >>> path = getfixture("tmp_path") / "decoding.json"
    >>> _ = path.write_text('{"method": "median", "median_s": 2}')
    >>> print(read_decoding(path))
    median over 2 s, threshold 0.5
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            return Decoding.from_dict(json.load(file))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: is not JSON ({error.msg}); correct it") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not UTF-8 text; give a JSON file") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def write_decoding(path, decoding):
    """Write a Decoding as JSON, atomically.

    Arguments
    ---------
    path : str or pathlib.Path
        The file, whose folder must exist. Beside a model it is called ``decoding.json``.
    decoding : Decoding
        The decoding.

    Example
    -------
    >>> path = getfixture("tmp_path") / "decoding.json"
    >>> write_decoding(path, Decoding("viterbi", switching_cost=64))
    >>> read_decoding(path).switching_cost
    64.0
    """
    write_atomically(path, json.dumps(decoding.to_dict(), indent=2) + "\n")


def _plain(value):
    """A setting with its numbers as floats."""
    if isinstance(value, dict):
        return {label: float(number) for label, number in value.items()}
    return float(value)


def _numbers(name, value):
    """Each number of a setting with what to call it."""
    if isinstance(value, dict):
        return [(f"{name} of {label!r}", number) for label, number in value.items()]
    return [(name, value)]


def _check_number(name, value, greatest, wanted):
    """Raise ValueError for what is no finite number from 0 to the greatest."""
    good = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (good and 0 <= value <= greatest and math.isfinite(value)):
        raise ValueError(f"{name} is {value!r}; give {wanted}")


def _words(value):
    """A setting as text."""
    if isinstance(value, dict):
        return ", ".join(f"{label} {number:g}" for label, number in value.items())
    return f"{value:g}"
