#!/usr/bin/env python3
"""One set out of several: a training then draws its batches from all of them, clean and hard mixes alike.

Files are linked, not copied. Folds stay as they are, but for those that a training does not learn from
(fold 0, to test, and fold 1, to validate): of these, what is more than asked for is left out, since a
training of so many hours should not spend its time on scores.

> python recipes/OpenBMAT/broadcast/join.py OUT SET SET ... [--scored 200]
"""

import argparse
import csv
import sys
from pathlib import Path

from hrin_plugin.files import write_atomically

#: Folds that are scored, in a training with ``fold: 0``.
SCORED = ("0", "1")
SPLITS = Path("splits", "splits.csv")


def main(argv=None):
    """Join."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the set")
    parser.add_argument("sets", type=Path, nargs="+", help="folders of sets in OpenBMAT's layout")
    parser.add_argument(
        "--scored", type=int, default=200, help="excerpts of fold 0 and of fold 1 (default: 200)"
    )
    arguments = parser.parse_args(argv)
    try:
        n_excerpts = join_sets(arguments.out, arguments.sets, arguments.scored)
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")
    print(f"{n_excerpts} excerpts")


def join_sets(out, sets, scored):
    """Link the excerpts of several sets into one.

    Arguments
    ---------
    out : str or pathlib.Path
        Folder of the set; what is there is completed.
    sets : sequence of str or pathlib.Path
        Folders in the layout of OpenBMAT, each with its ``splits.csv``.
    scored : int
        How many excerpts folds 0 and 1 have in the end, each; equal parts from every set, 1 or more.

    Returns
    -------
    int
        Number of excerpts.

    Raises
    ------
    ValueError
        If two sets have an excerpt of the same name, or there are fewer to score than sets.

    Example
    -------
    >>> from hrin_plugin.mixing import synthesise_miniature
    >>> folder = getfixture("tmp_path")
    >>> for seed in (0, 1):
    ...     _ = synthesise_miniature(folder / str(seed), seed, n_excerpts=20, seconds=2.0)
    >>> join_sets(folder / "both", [folder / "0", folder / "1"], scored=2)
    36
    """
    if scored < len(sets):
        raise ValueError(f"--scored is {scored}; give {len(sets)} or more, one of each set")
    folds = {}
    for folder in map(Path, sets):
        left = dict.fromkeys(SCORED, scored // len(sets))
        with open(folder / SPLITS, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for name, fold in ((row["file_name"], row["split"]) for row in rows):
            if name in folds:
                raise ValueError(
                    f"{folder / SPLITS}: {name} is in a set before it too; mix with another seed"
                )
            if fold in left:
                left[fold] -= 1
                if left[fold] < 0:
                    continue
            folds[name] = fold
            _link(folder, Path(out), name)
    rows = "".join(f"{name},{fold}\n" for name, fold in folds.items())
    (Path(out) / SPLITS).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(Path(out) / SPLITS, f"file_name,split\n{rows}")
    return len(folds)


def _link(folder, out, name):
    """Link the recording and the annotations of an excerpt."""
    annotations = (folder / "annotations").glob(f"tsv/*/*/{name}.tsv")
    for path in [folder / "audio" / f"{name}.wav", *annotations]:
        link = out / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(path.resolve())


if __name__ == "__main__":
    main()
