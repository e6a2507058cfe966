"""Taxonomies: the classes of each level, and the parent of each class.

Output sizes, label lists, penalties and scores all derive from a :class:`Taxonomy`.
:data:`MUSIC_LOUDNESS` is the paper's (Fig. 1).
"""

import collections
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Names of two levels: music detection, and music relative loudness estimation, which refines it.
TWO_LEVELS = ("md", "mrle")

#: Names of classes of which silence is one.
SILENCES = ("no-music", "silence")


@dataclass(frozen=True)
class Taxonomy:
    """Classes on two or more levels, each class below the first having one parent.

    Arguments
    ---------
    levels : sequence of sequence of str
        Class names, the top level first. The order within a level is the index
        order of the network's outputs.
    parents : sequence of mapping of str to str
        One mapping for each level below the first: class name to the name of its
        parent on the level above. A class may have the same name as its parent.

    Raises
    ------
    ValueError
        If a level is empty, repeats a name or holds a name that is not a string, if a class has
        no parent, an unknown one, one of another level, or itself among its
        ancestors, or if a class of an upper level has no child.

    Example
    -------
    >>> animals = Taxonomy(
    ...     levels=[["silence", "animal"], ["silence", "dog", "cat"]],
    ...     parents=[{"silence": "silence", "dog": "animal", "cat": "animal"}],
    ... )
    >>> animals.sizes
    (2, 3)
    >>> animals.parent_indices(1)
    (0, 1, 1)
    """

    levels: Sequence[Sequence[str]]
    parents: Sequence[Mapping[str, str]]

    def __post_init__(self):
        """Check the shape, freeze the sequences (YAML gives lists), and check the hierarchy."""
        _check_shape(self.levels, self.parents)
        object.__setattr__(self, "levels", tuple(tuple(names) for names in self.levels))
        object.__setattr__(self, "parents", tuple(dict(level) for level in self.parents))
        for number, names in enumerate(self.levels, start=1):
            _check_names(number, names)
        for number in range(2, len(self.levels) + 1):
            _check_parents(number, self.levels, self.parents[number - 2])

    def __hash__(self):
        """Hash by the class names; the parents are mappings and cannot be hashed."""
        return hash(self.levels)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of classes of each level, a tuple of int."""
        return tuple(len(names) for names in self.levels)

    @property
    def level_names(self) -> tuple[str, ...]:
        """Name of each level: ``md`` and ``mrle`` for two levels, else ``level_1``, ``level_2`` and so on.

        Example
        -------
        >>> MUSIC_LOUDNESS.level_names
        ('md', 'mrle')
        """
        if len(self.levels) == len(TWO_LEVELS):
            return TWO_LEVELS
        return tuple(f"level_{number}" for number in range(1, len(self.levels) + 1))

    @property
    def labels(self) -> dict[str, Sequence[str]]:
        """The classes of each level by the level's name.

        Example
        -------
        >>> MUSIC_LOUDNESS.labels["md"]
        ('no-music', 'music')
        """
        return dict(zip(self.level_names, self.levels))

    @property
    def silence(self) -> tuple[int, ...] | None:
        """Index on each level of the class that near-silence belongs to; None if there is none.

        It has one of the names of :data:`SILENCES` on all levels.

        Example
        -------
        >>> MUSIC_LOUDNESS.silence
        (0, 0)
        """
        for name in SILENCES:
            if all(name in names for names in self.levels):
                return tuple(names.index(name) for names in self.levels)
        return None

    def to_dict(self) -> dict:
        """Levels and parents as plain lists and dicts, ready for JSON; ``Taxonomy(**...)`` reads them.

        Example
        -------
        >>> Taxonomy(**MUSIC_LOUDNESS.to_dict()) == MUSIC_LOUDNESS
        True
        """
        return {"levels": [list(names) for names in self.levels], "parents": [dict(p) for p in self.parents]}

    def parent_indices(self, level: int) -> tuple[int, ...]:
        """Index of each class's parent on the level above.

        Arguments
        ---------
        level : int
            A level below the first, counted from 0: 1 or greater.

        Returns
        -------
        tuple of int
            One parent index for each class of ``level``.

        Example
        -------
        >>> MUSIC_LOUDNESS.parent_indices(1)
        (0, 1, 1)
        """
        above = self.levels[level - 1]
        return tuple(above.index(self.parents[level - 1][name]) for name in self.levels[level])

    def only_children(self, level: int) -> tuple[bool, ...]:
        """Whether each class is its parent's only child, a tuple of bool.

        Arguments
        ---------
        level : int
            A level below the first, counted from 0: 1 or greater.

        Returns
        -------
        tuple of bool
            One value for each class of ``level``.

        Example
        -------
        >>> MUSIC_LOUDNESS.only_children(1)
        (True, False, False)
        """
        parents = self.parent_indices(level)
        return tuple(parents.count(parent) == 1 for parent in parents)


def _check_shape(levels, parents):
    """Raise ValueError where the arguments are not lists of names and mappings that fit each other."""
    for names in levels:
        # A text is a sequence too, of letters.
        if isinstance(names, str | Mapping):
            raise ValueError(f"a level is a list of class names, got {names!r}")
    for mapping in parents:
        if not isinstance(mapping, Mapping):
            raise ValueError(f"the parents of a level are a mapping of class to parent, got {mapping!r}")
    if len(levels) < 2:
        raise ValueError(f"a taxonomy needs at least 2 levels, got {len(levels)}")
    if len(parents) != len(levels) - 1:
        raise ValueError(f"{len(levels)} levels need {len(levels) - 1} parent mappings, got {len(parents)}")


def _check_names(number, names):
    """Raise ValueError where a level's names are missing, repeated, or not strings."""
    if not names:
        raise ValueError(f"level {number} has no class")
    counts = collections.Counter(name for name in names if isinstance(name, str))
    for name in names:
        if not isinstance(name, str) or not name:
            # YAML reads true, null and numbers as something else.
            raise ValueError(f"level {number} has the class {name!r}, which is no text; put it in quotes")
        if counts[name] > 1:
            raise ValueError(f"level {number} names the class {name!r} more than once")


def _check_parents(number, levels, mapping):
    """Raise ValueError with the class that breaks the hierarchy between a level and the one above it."""
    above, names = levels[number - 2], levels[number - 1]
    for name in names:
        if name not in mapping:
            raise ValueError(f"class {name!r} of level {number} has no parent; name one of {list(above)}")
    for name, parent in mapping.items():
        if name not in names:
            raise ValueError(f"a parent is given for {name!r}, which is no class of level {number}")
        if parent not in above:
            raise ValueError(
                f"class {name!r} of level {number} {_fault_of_parent(name, parent, above, levels, mapping)}; "
                f"level {number - 1} has {list(above)}"
            )
    for parent in above:
        if parent not in mapping.values():
            raise ValueError(f"class {parent!r} of level {number - 1} has no child on level {number}")


def _fault_of_parent(name, parent, above, levels, mapping):
    """Describe the fault of a parent that is not on the level above."""
    line = [name, parent]
    while line[-1] in mapping and line.count(line[-1]) == 1:
        line.append(mapping[line[-1]])
    if line[-1] == name and name not in above:
        return f"is its own ancestor, {' -> '.join(line)}, a cycle"
    for number, names in enumerate(levels, start=1):
        if parent in names:
            return f"has its parent {parent!r} on level {number}"
    return f"has the unknown parent {parent!r}"


#: Music detection above music relative loudness estimation (paper, Fig. 1).
MUSIC_LOUDNESS = Taxonomy(
    levels=(("no-music", "music"), ("no-music", "fg-music", "bg-music")),
    parents=({"no-music": "no-music", "fg-music": "music", "bg-music": "music"},),
)
