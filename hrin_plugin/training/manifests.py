"""Manifests of data sets for SpeechBrain's data pipeline, one file a split."""

import json
from pathlib import Path
from typing import NamedTuple


class Manifests(NamedTuple):
    """Paths of the three manifests."""

    train: Path
    valid: Path
    test: Path


def manifest_text(entries):
    """A manifest as JSON, one excerpt a line.

    Example
    -------
    >>> manifest_text({"a": {"duration": 60.0}, "b": {"duration": 59.5}})
    '{\\n"a": {"duration": 60.0},\\n"b": {"duration": 59.5}\\n}\\n'
    """
    return (
        "{\n"
        + ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
        + "\n}\n"
    )
