"""Parts of a cache: stems of one origin beside their table, and how they are joined."""

import csv

import numpy as np

from hrin_plugin.report.display import printable
from unpack import COLUMNS


def read_rows(path):
    """The rows of a table, each a mapping from its columns."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def write_part(part, stems):
    """Write stems, each a row with its ``samples``, beside their table: ``part.i16`` and ``part.tsv``."""
    with open(part.with_suffix(".i16"), "wb") as file:
        file.writelines(one["samples"].tobytes() for one in stems)
    draft = part.with_suffix(".draft")
    with open(draft, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for one in stems:
            name = printable(one["name"])  # a tab or line end would be taken for the end of the cell
            writer.writerow({**one, "name": name, "onset_sample": 0, "n_samples": len(one["samples"])})
    draft.replace(part.with_suffix(".tsv"))


def join(parts, cache):
    """Join all parts to a cache; a recording that comes again, by bytes and instruments, is left out."""
    known, rows, onset = set(), [], 0
    with open(cache / ".stems.i16", "wb") as joined:
        for table in sorted(parts.glob("*.tsv")):
            samples, start = np.fromfile(table.with_suffix(".i16"), "<i2"), 0
            for row in read_rows(table):
                length = int(row["n_samples"])
                one, start = samples[start : start + length], start + length
                key = row["sha256"], row["name"].partition("#")[2]
                if key not in known:
                    known.add(key)
                    joined.write(one.tobytes())
                    rows.append({**row, "onset_sample": onset})
                    onset += length
    (cache / ".stems.i16").replace(cache / "stems.i16")
    with open(cache / "stems.tsv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
