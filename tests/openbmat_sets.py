"""Tiny data sets in the layout of OpenBMAT."""

import json
import os

import numpy as np
import pytest
import soundfile

from hrin_plugin.events import AnnotationError
from openbmat_prepare import prepare_openbmat

MRLE = "annotations/tsv/RMLE_mapping/annotator_{}/{}.tsv"
MD = "annotations/tsv/MD_mapping/annotator_{}/{}.tsv"
NAMES = [f"Spain_Talk_{fold}_{copy}" for fold in range(10) for copy in range(2)]
ROWS = "0.0\t0.1\tno-music\n0.1\t0.3\tfg-music\n0.3\t0.5\tbg-music\n"
MD_ROWS = "0.0\t0.1\tno-music\n0.1\t0.5\tmusic\n"


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def build(root, names=NAMES, splits=True, md=True, annotators="a"):
    """Half-second excerpts, two to a fold; every annotator labels them alike."""
    (root / "audio").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in names:
        soundfile.write(root / f"audio/{name}.wav", rng.normal(size=1000) / 10, 2000)
        for annotator in annotators:
            put(root / MRLE.format(annotator, name), ROWS)
            if md:
                put(root / MD.format(annotator, name), MD_ROWS)
    if splits:
        lines = [f"{name},{index * 10 // len(names)}\n" for index, name in enumerate(names)]
        put(root / "splits/splits.csv", "file_name,split\n" + "".join(lines))
    return root


def load(manifests):
    """The three manifests as dictionaries, by split."""
    return {split: json.loads(path.read_text()) for split, path in manifests._asdict().items()}


def entries(manifests):
    """All entries of the three manifests."""
    return {name: entry for split in load(manifests).values() for name, entry in split.items()}


def faults(data, save, **options):
    """The faults of a refused data set, as lines of text without the data's folder."""
    with pytest.raises(AnnotationError) as refusal:
        prepare_openbmat(data, save, fold=0, **options)
    assert not save.exists()
    assert str(refusal.value).splitlines() == [str(fault) for fault in refusal.value.faults]
    return [str(fault).replace(f"{data}{os.sep}", "") for fault in refusal.value.faults]
