"""Programmes from XMLTV, the format of programme guides (``xmltv.dtd``)."""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from xml.parsers import expat

from hrin_plugin.formats.text import format_error
from hrin_plugin.report.calendar import to_instant
from hrin_plugin.text import shown

_TIME = re.compile(r"\s*(\d{12})(\d\d)?\s*([+-]\d{4}|UTC|GMT|Z)?\s*")


def read_xmltv(path: str | Path, content: bytes | str, zone: tzinfo) -> Iterator[tuple]:
    """Programmes of a guide.

    Entities that the file declares are refused; nothing outside it is opened.

    Arguments
    ---------
    path : str or pathlib.Path
        The file, for messages.
    content : bytes or str
        What it holds; bytes in the encoding that they declare.
    zone : datetime.tzinfo
        Zone of the times that have none of their own.

    Yields
    ------
    tuple of (int, tuple of str, int, int or None, str)
        Line, names of the station, start and end as instants, and title.

    Raises
    ------
    AnnotationError
        If it is no XMLTV, or a time is none.

    Example
    -------
    >>> from hrin_plugin.report.calendar import find_zone
    >>> guide = '<tv><programme start="19700101060000 +0100" channel="a"><title>News</title></programme></tv>'
    >>> list(read_xmltv("tv.xml", guide, find_zone(None)))
    [(1, ('a',), 18000000, None, 'News')]
    """
    reader = _Reader()
    try:
        reader.parser.Parse(content, True)
    except (LookupError, ValueError) as error:
        raise format_error(path, 1, f"is not in an encoding that can be read ({error})") from None
    except expat.ExpatError as error:
        raise format_error(path, error.lineno, f"is not XML ({expat.ErrorString(error.code)})") from None
    except _Entity as error:
        problem = f"declares the entity {shown(str(error))}"
        raise format_error(path, reader.parser.CurrentLineNumber, problem, "remove it") from None
    if reader.root != "tv":
        raise format_error(path, 1, f"is no XMLTV: its first element is {shown(reader.root)}")
    for line, attributes, title in reader.programmes:
        channel = attributes.get("channel", "")
        start_ms = _instant(path, line, attributes.get("start", ""), zone)
        end_ms = _instant(path, line, attributes["stop"], zone) if attributes.get("stop") else None
        if end_ms is not None and end_ms <= start_ms:
            raise format_error(
                path, line, f"stop {attributes['stop']} is not after start {attributes['start']}"
            )
        yield (
            line,
            tuple(dict.fromkeys((channel, *reader.channels[channel]))),
            start_ms,
            end_ms,
            title.strip(),
        )


class _Entity(Exception):
    """An entity is declared."""


class _Reader:
    """What a guide holds: channels with their names, and programmes with their attributes and title."""

    def __init__(self):
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, self._end
        self.parser.CharacterDataHandler, self.parser.EntityDeclHandler = self._text, self._entity
        self.root, self.channels, self.programmes = None, defaultdict(list), []
        self._channel, self._open = None, []

    def _entity(self, name, *_):
        raise _Entity(name)

    def _start(self, name, attributes):
        self.root = self.root or name
        self._open.append(name)
        if name == "channel":
            self._channel = attributes.get("id", "")
        if name == "display-name" and self._channel is not None:
            self.channels[self._channel].append("")
        if name == "programme":
            self.programmes.append([self.parser.CurrentLineNumber, attributes, ""])
        if name == "title" and self.programmes and self.programmes[-1][2]:
            self._open[-1] = "another title"  # in another language

    def _end(self, _):
        self._open.pop()

    def _text(self, text):
        if self._open[-2:] == ["channel", "display-name"]:
            self.channels[self._channel][-1] += text
        if self._open[-2:] == ["programme", "title"]:
            self.programmes[-1][2] += text


def _instant(path, line, text, zone):
    """The instant of a time such as ``20260328060000 +0100``."""
    match = _TIME.fullmatch(text)
    try:
        digits, seconds, offset = match.groups()
        clock = datetime.strptime(digits + (seconds or "00"), "%Y%m%d%H%M%S")
        if offset:
            offset = offset if offset[0] in "+-" else "+0000"
            clock = clock.replace(tzinfo=datetime.strptime(offset, "%z").tzinfo)
        return to_instant(clock, zone)
    except (AttributeError, ValueError):
        problem = f"{shown(text)} is not a time of XMLTV"
        raise format_error(path, line, problem, "write it as in 20260328060000 +0100") from None
