"""MPEG transport streams: where the sound moves to another stream or another codec."""

from hrin_plugin.audio.parts import Part
from hrin_plugin.audio.pieces import BLOCK_BYTES, Span

_SYNC = 0x47

#: The longest packet of a transport stream, with its error correction.
MOST_PACKET_BYTES = 204

#: Stream types of sound in a program map, and the private type that may hold AC-3.
_SOUND_TYPES = {
    0x03,
    0x04,
    0x0F,
    0x11,
    0x81,
    0x87,
    0x06,
    0x1C,
    0x80,
    0x82,
    0x83,
    0x84,
    0x85,
    0x86,
    0xA1,
    0xA2,
}


def packet_bytes(window, start):
    """Size of the packets of a transport stream that begins here; 0 where none does.

    Example
    -------
    >>> import io
    >>> from hrin_plugin.audio.pieces import Window
    >>> packet_bytes(Window(io.BytesIO(b"G" + bytes(187))), 0)
    0
    """
    for size, offset in ((188, 0), (192, 4), (204, 0)):
        heads = window.get(start, 6 * size + offset)[offset::size]
        if len(heads) >= 5 and all(byte == _SYNC for byte in heads[:5]):
            return size
    return 0


def find_packets(window, start):
    """Where the packets begin of a transport stream that begins within a packet; None for anything else.

    Example
    -------
    >>> import io
    >>> from hrin_plugin.audio.pieces import Window
    >>> find_packets(Window(io.BytesIO(bytes(100) + 6 * (b"G" + bytes(187)))), 0)
    100
    """
    places = range(start, start + MOST_PACKET_BYTES)
    return next((place for place in places if packet_bytes(window, place)), None)


def count_packets(window, start):
    """A transport stream, cut where its program map names other streams of sound.

    Arguments
    ---------
    window : Window
        The file.
    start : int
        The first packet.

    Returns
    -------
    list of Part
        Each for ffmpeg, with the same streams of sound from beginning to end.
    """
    size, begin, sound, parts = packet_bytes(window, start), start, None, []
    for position, found in _maps(window, start, size):
        if sound and found and not sound & found:
            parts.append(Part((Span(begin, position),), by="ffmpeg"))
            begin = position
        sound = found or sound
    return [*parts, Part((Span(begin, window.size),), by="ffmpeg")]


def _maps(window, start, size):
    """Positions of program maps that differ from the one before, and their streams of sound."""
    offset = 4 if size == 192 else 0
    map_ids, known = set(), {}
    position = start
    block = BLOCK_BYTES // size * size
    while data := window.get(position, block)[:block]:
        for at in _starts(data, offset, size):
            packet = data[at : at + 188]
            stream = (packet[1] & 0x1F) << 8 | packet[2]
            if stream == 0:
                map_ids |= _map_ids(packet)
                first_map = position + at - offset
            elif stream in map_ids and known.get(stream) != packet[4:]:
                body = _table(packet, 2)
                if body is None or known.get((stream, "body")) == body:
                    continue
                known[stream, "body"] = body
                # The table that announces the map stands before it.
                yield min(first_map, position + at - offset), _sound_of(body)
        position += block


def _starts(data, offset, size):
    """Where the packets with tables begin: those that start a payload and belong to a low or known stream."""
    return [
        at
        for at in range(offset, len(data) - 187, size)
        if data[at] == _SYNC and data[at + 1] & 0x40 and data[at + 3] & 0x10 and not _is_media(data, at)
    ]


def _is_media(data, at):
    """Whether the payload begins with a packet of sound or pictures."""
    skipped = 1 + data[at + 4] if data[at + 3] & 0x20 else 0
    return data[at + 4 + skipped : at + 7 + skipped] == b"\0\0\1"


def _table(packet, table_id):
    """The body of a table that fits in one packet; None for anything else."""
    at = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    at += 1 + packet[at] if at < len(packet) else 0
    if at + 8 > len(packet) or packet[at] != table_id:
        return None
    end = at + 3 + ((packet[at + 1] & 0x0F) << 8 | packet[at + 2]) - 4
    return packet[at + 8 : end] if end <= len(packet) else None


def _map_ids(packet):
    """Streams of the program maps that an association table names."""
    body = _table(packet, 0) or b""
    entries = (body[at : at + 4] for at in range(0, len(body) - 3, 4))
    return {(entry[2] & 0x1F) << 8 | entry[3] for entry in entries if entry[:2] != b"\0\0"}


def _sound_of(body):
    """Stream and type of the sound in a program map."""
    found, at = set(), 4 + ((body[2] & 0x0F) << 8 | body[3]) if len(body) >= 4 else len(body)
    while at + 5 <= len(body):
        if body[at] in _SOUND_TYPES:
            found.add((body[at], (body[at + 1] & 0x1F) << 8 | body[at + 2]))
        at += 5 + ((body[at + 3] & 0x0F) << 8 | body[at + 4])
    return found
