"""Decoding methods, from frame probabilities to events, and their settings.

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

All settings keep their meaning when the length of the frames changes.
"""

import json
import numbers
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from hrin_plugin.events import MOST_S
from hrin_plugin.files import write_atomically
from hrin_plugin.text import read_plain, shown
from hrin_plugin.timing import FrameGrid

METHODS = ("threshold", "argmax", "median", "viterbi")

#: The switching cost in the unit of today, and in that of earlier versions.
_COSTS = {"switching_cost_s", "switching_cost"}

#: Longest median, in seconds; the frames around each frame are held in memory.
MOST_MEDIAN_S = 600.0

#: Greatest number of nats, and of anything else.
_LARGEST = 1e30

#: What can be given as the level of the silence gate.
GATE_RANGE = "a level from -200 to 0 dB"


@dataclass(frozen=True)
class Decoding:
    """How frame probabilities become events.

    A method ignores the settings of other methods, so that one Decoding can hold the
    best settings of several methods.

    Arguments
    ---------
    method : str
        One of :data:`METHODS`; see the top of this module.
    thresholds : float or dict
        For ``threshold`` and ``median``: the least probability of an active class,
        one for all or by label, 0.5 for labels that are not named.
    switching_cost_s : float
        For ``viterbi``: cost of each change of class, in seconds at odds of e (2.7) to 1.
        An event is found if its evidence outweighs its two changes: with a cost
        of 2 s, after 4 s at odds of 2.7 to 1, or 2 s at odds of 7.4 to 1.
    median_s : float
        For ``median``: the seconds that the median is taken over, to the nearest odd
        number of frames.
    min_event_s : float or dict
        Seconds that an event must last, one for all or by label, 0 for labels that
        are not named. With ``viterbi`` they are those of the lowest level's labels.
    offsets : float or dict
        Nats added to the log-odds of a class before any decision, one for all or by
        label, 0 for labels that are not named. 1 makes its odds 2.7 times as high. A
        label that several levels have gets its offset on each.
    switching_cost : float or None
        The cost in the unit of earlier versions, in place of ``switching_cost_s``: nats
        that a change costs, where every frame counts in full, however long it is.
    silence_gate_db : float or None
        Level at or below which sound is no music, in dB re full scale; None for no gate. A detector
        applies it to the probabilities (:mod:`hrin_plugin.decoding.silence`); a decoder alone has no
        sound to go by.

    Raises
    ------
    ValueError
        If the method is unknown, or a number is not one or out of its range.

    Example
    -------
    >>> Decoding("threshold", thresholds={"music": 0.4}).to_dict()["thresholds"]
    {'music': 0.4}
    >>> Decoding("viterbi", switching_cost_s=-1.0)
    Traceback (most recent call last):
    ...
    ValueError: switching_cost_s is -1.0; give seconds, 0 or more
    """

    method: str = "viterbi"
    thresholds: float | Mapping[str, float] = 0.5
    # Around these two, the scores of mixes of real recordings hardly change.
    switching_cost_s: float | None = 1.6  # None where the cost is in the unit of earlier versions
    median_s: float = 2.0
    min_event_s: float | Mapping[str, float] = 0.0
    offsets: float | Mapping[str, float] = 0.0
    switching_cost: float | None = None
    silence_gate_db: float | None = -80.0

    def __post_init__(self):
        """Check every setting, also those that the method ignores."""
        if self.method not in METHODS:
            raise ValueError(f"method is {shown(self.method)}; use one of {', '.join(METHODS)}")
        for name, value in _numbers("thresholds", self.thresholds):
            _check_number(name, value, 0.0, 1.0, "a probability, 0 to 1")
        if self.switching_cost is None:
            _check_number(
                "switching_cost_s",
                self.switching_cost_s,
                0.0,
                MOST_S,
                f"seconds, 0 or more, {MOST_S:g} at most",
            )
        else:
            _check_number("switching_cost", self.switching_cost, 0.0, _LARGEST, "a number of nats, 0 or more")
            object.__setattr__(self, "switching_cost_s", None)
        _check_number(
            "median_s", self.median_s, 0.0, MOST_MEDIAN_S, f"seconds, 0 or more, {MOST_MEDIAN_S:g} at most"
        )
        for name, value in _numbers("min_event_s", self.min_event_s):
            _check_number(name, value, 0.0, MOST_S, f"seconds, 0 or more, {MOST_S:g} at most")
        for name, value in _numbers("offsets", self.offsets):
            _check_number(name, value, -_LARGEST, _LARGEST, "a number of nats")
        if self.silence_gate_db is not None:
            _check_number("silence_gate_db", self.silence_gate_db, -200.0, 0.0, GATE_RANGE)
        for field in fields(self)[1:]:
            # Plain floats, whatever kind of number they were, and nobody else's dict.
            object.__setattr__(self, field.name, _plain(getattr(self, field.name)))

    def __str__(self):
        """The method with the settings that it uses."""
        used = {
            "threshold": f"threshold {_words(self.thresholds)}",
            "argmax": "argmax",
            "median": f"median over {self.median_s:g} s, threshold {_words(self.thresholds)}",
            "viterbi": f"viterbi, switching cost {self._cost_in_words()}",
        }[self.method]
        if _is_set(self.min_event_s):
            used += f", events of at least {_words(self.min_event_s)} s"
        if _is_set(self.offsets):
            used += f", offsets in nats {_words(self.offsets)}"
        if self.silence_gate_db is None:
            used += ", no silence gate"
        elif self.silence_gate_db != Decoding.silence_gate_db:
            used += f", silence gate {self.silence_gate_db:g} dB"
        return used

    def _cost_in_words(self):
        """The switching cost with its unit."""
        if self.switching_cost is None:
            return f"{self.switching_cost_s:g} s"
        return f"{self.switching_cost:g} nats over frames"

    @classmethod
    def from_dict(cls, settings: dict) -> "Decoding":
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
            If it is no dict, a name is unknown, the switching cost has two units, or as of
            the class.

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
            raise ValueError(f"a decoding is a mapping of {', '.join(names)}, not {shown(settings)}")
        for name in settings:
            if name not in names:
                raise ValueError(f"a decoding has no {shown(name)}; it has {', '.join(names)}")
        if settings.keys() >= _COSTS:
            raise ValueError(
                "a decoding has one switching cost; leave out switching_cost, or switching_cost_s"
            )
        return cls(**settings)

    def to_dict(self) -> dict:
        """The settings as plain values, ready for JSON.

        Example
        -------
        >>> Decoding.from_dict(Decoding("median").to_dict()) == Decoding("median")
        True
        """
        settings = asdict(self).items()
        return {name: value for name, value in settings if value is not None or name not in _COSTS}

    def changed(self, settings: dict) -> "Decoding":
        """This decoding with other values of some settings.

        Arguments
        ---------
        settings : dict
            Values by the names of the arguments.

        Returns
        -------
        Decoding
            The decoding. A switching cost takes the place of one in the other unit.

        Raises
        ------
        ValueError
            As of :meth:`from_dict`.

        Example
        -------
        >>> print(Decoding("viterbi", switching_cost=125).changed({"switching_cost_s": 8}))
        viterbi, switching cost 8 s
        """
        replaced = settings.keys() | (_COSTS if settings.keys() & _COSTS else set())
        kept = {name: value for name, value in self.to_dict().items() if name not in replaced}
        return Decoding.from_dict(kept | settings)

    def cost_on(self, grid: FrameGrid) -> float:
        """The switching cost in nats, for frames of a grid that all have full weight.

        Arguments
        ---------
        grid : FrameGrid
            Sample rate and hop of the frames.

        Returns
        -------
        float
            Nats.

        Example
        -------
        >>> from hrin_plugin.timing import FrameGrid
        >>> Decoding(switching_cost_s=8).cost_on(FrameGrid(hop_length=512))
        125.0
        """
        if self.switching_cost is not None:
            return self.switching_cost
        return self.switching_cost_s / grid.time_of(1)


def read_decoding(path: str | Path) -> Decoding:
    """A Decoding from a JSON file.

    Files of earlier versions have the switching cost in nats. Their meaning is unchanged.

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
        settings = json.loads(read_plain(path))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: is not JSON ({error.msg}); correct it") from None
    except UnicodeError:
        raise ValueError(f"{path}: is not UTF-8 text; give a JSON file") from None
    except RecursionError:
        raise ValueError(f"{path}: is JSON nested too deep; give a file of 'hrin tune'") from None
    except ValueError:  # Python reads no number of more than 4300 digits
        raise ValueError(f"{path}: holds a number of thousands of digits; correct it") from None
    try:
        return Decoding.from_dict(settings)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def write_decoding(path: str | Path, decoding: Decoding) -> None:
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
    >>> write_decoding(path, Decoding("viterbi", switching_cost_s=2))
    >>> read_decoding(path).switching_cost_s
    2.0
    """
    write_atomically(path, json.dumps(decoding.to_dict(), indent=2) + "\n")


def _plain(value):
    """A setting with its numbers converted to float."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {label: float(number) for label, number in value.items()}
    return float(value)


def _numbers(name, value):
    """Each number of a setting, with its name in messages."""
    if isinstance(value, dict):
        return [(f"{name} of {shown(label)}", number) for label, number in value.items()]
    return [(name, value)]


def _is_set(value):
    """Whether a setting has a number other than 0."""
    return any(number for _, number in _numbers("", value))


def _check_number(name, value, least, greatest, wanted):
    """Raise ValueError unless the value is a finite number in a range."""
    good = isinstance(value, numbers.Real) and not isinstance(value, bool)
    # A whole number may have more digits than a float.
    if not (good and least <= value <= greatest and abs(value) < _LARGEST):
        raise ValueError(f"{name} is {shown(value)}; give {wanted}")


def _words(value):
    """A setting as text."""
    if isinstance(value, dict):
        return ", ".join(f"{label} {number:g}" for label, number in value.items())
    return f"{value:g}"
