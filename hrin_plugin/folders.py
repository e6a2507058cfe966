"""What is in a folder and its folders, links to folders included."""

import os


def visible_files(folder, onerror=None):
    """Every visible file in a folder and its folders, those of one folder by name.

    A folder that a link leads to is looked into as well, after all that the folder holds itself.
    None is looked into twice, whichever links lead there, round in a circle even.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where to look.
    onerror : callable, optional
        Takes the error of a folder that cannot be read; by default such a folder is passed over.

    Yields
    ------
    str
        Path of a file, or of a link to a file or to nothing. Nothing below a hidden folder.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "music").mkdir()
    >>> (folder / "music" / "a.wav").touch(), (folder / "music" / ".b.wav").touch()
    (None, None)
    >>> [os.path.relpath(path, folder).replace(os.sep, "/") for path in visible_files(folder)]
    ['music/a.wav']
    """
    seen, waiting = set(), [os.fspath(folder)]
    for top in waiting:
        for place, folders, files in os.walk(top, onerror=onerror):
            real = os.path.realpath(place)
            folders[:] = sorted(name for name in folders if not name.startswith(".") and real not in seen)
            if real in seen:
                continue
            seen.add(real)
            # os.walk names linked folders, and does not follow them.
            waiting += [path for name in folders if os.path.islink(path := os.path.join(place, name))]
            yield from (os.path.join(place, name) for name in sorted(files) if not name.startswith("."))
