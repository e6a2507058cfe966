"""Random hierarchies for the tests that must hold for all."""

import numpy as np
from hypothesis import strategies

from hrin_plugin.taxonomy import Taxonomy


def taxonomy_of(child_counts):
    """A taxonomy from how many children each class has, level by level, in random order."""
    levels, parents = [[f"1.{index}" for index in range(len(child_counts[0]))]], []
    for number, counts in enumerate(child_counts, start=2):
        families = [parent for parent, count in zip(levels[-1], counts) for _ in range(count)]
        # Every third child bears its parent's name, as no-music does.
        names = [
            parent if index % 3 == 0 and families.index(parent) == index else f"{number}.{index}"
            for index, parent in enumerate(families)
        ]
        mapping = dict(zip(names, families))
        levels.append([names[index] for index in np.random.default_rng(len(names)).permutation(len(names))])
        parents.append(mapping)
    return Taxonomy(levels, parents)


@strategies.composite
def random_taxonomies(draw):
    """Hierarchies of two to four levels, each class with one to three children."""
    n_classes, child_counts = draw(strategies.integers(1, 3)), []
    for _ in range(draw(strategies.integers(1, 3))):
        counts = draw(strategies.lists(strategies.integers(1, 3), min_size=n_classes, max_size=n_classes))
        child_counts.append(counts)
        n_classes = sum(counts)
    return taxonomy_of(child_counts)
