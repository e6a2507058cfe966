"""Labels that Audacity imports and exports: TSV in a file with another suffix."""

from pathlib import Path

from hrin_plugin.events import Event
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.text import format_error, parse_number, read_text
from hrin_plugin.formats.tsv_file import tsv_text
from hrin_plugin.text import shown


def read_audacity(path: str | Path) -> Draft:
    """Read labels that Audacity exported; the lines with their frequencies, if any, are passed over.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> _ = path.write_text("0.0\\t2.0\\tmusic\\n")
    >>> len(read_audacity(path).rows)
    1
    """
    rows = []
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        if not text.strip() or text.startswith("\\"):
            continue
        columns = text.split("\t")
        if len(columns) != 3:
            raise format_error(path, line, f"{shown(text)} is not start, end and label between tabs")
        onset_s, offset_s = (parse_number(path, line, column) for column in columns[:2])
        rows.append(Row(line, None, Event(onset_s, offset_s, columns[2].strip())))
    return Draft(rows)


FORMAT = Format("audacity", ".txt", joint=False, write=tsv_text, read=read_audacity)
