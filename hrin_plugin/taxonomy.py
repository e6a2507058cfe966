"""The classes of each level of a hierarchy, and which class is whose parent.

Everything that depends on the number or the names of the classes (output sizes,
label lists, penalties, scores) derives from a :class:`Taxonomy`, so that no size
is written down twice. :data:`MUSIC_LOUDNESS` is the paper's (Fig. 1).
"""

from dataclasses import dataclass


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
        If a level is empty or repeats a name, if a class has no parent or an
        unknown one, or if a class of an upper level has no child.

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

    levels: tuple
    parents: tuple

    def __post_init__(self):
        """Freeze the sequences (YAML gives lists) and check them."""
        object.__setattr__(self, "levels", tuple(tuple(names) for names in self.levels))
        object.__setattr__(self, "parents", tuple(dict(level) for level in self.parents))
        _check(self)

    def __hash__(self):
        """Hash by the class names; the parents are mappings and cannot be hashed."""
        return hash(self.levels)

    @property
    def sizes(self):
        """Number of classes of each level, a tuple of int."""
        return tuple(len(names) for names in self.levels)

    def parent_indices(self, level):
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

    def only_children(self, level):
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


def _check(taxonomy):
    """Raise ValueError with the name of the class that breaks the hierarchy."""
    levels, parents = taxonomy.levels, taxonomy.parents
    if len(levels) < 2:
        raise ValueError(f"a taxonomy needs at least 2 levels, got {len(levels)}")
    if len(parents) != len(levels) - 1:
        raise ValueError(f"{len(levels)} levels need {len(levels) - 1} parent mappings, got {len(parents)}")
    for number, names in enumerate(levels, start=1):
        if not names:
            raise ValueError(f"level {number} has no class")
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"level {number} names the class {name!r} more than once")
    for number, (above, names, mapping) in enumerate(zip(levels, levels[1:], parents), start=2):
        for name in names:
            if name not in mapping:
                raise ValueError(f"class {name!r} of level {number} has no parent; name one of {list(above)}")
        for name, parent in mapping.items():
            if name not in names:
                raise ValueError(f"a parent is given for {name!r}, which is no class of level {number}")
            if parent not in above:
                raise ValueError(
                    f"class {name!r} of level {number} has the unknown parent {parent!r}; "
                    f"level {number - 1} has {list(above)}"
                )
        for parent in above:
            if parent not in mapping.values():
                raise ValueError(f"class {parent!r} of level {number - 1} has no child on level {number}")


#: Music detection above music relative loudness estimation (paper, Fig. 1).
MUSIC_LOUDNESS = Taxonomy(
    levels=(("no-music", "music"), ("no-music", "fg-music", "bg-music")),
    parents=({"no-music": "no-music", "fg-music": "music", "bg-music": "music"},),
)
