"""Tags that stand before, between and after recordings: ID3, APE, Lyrics3."""


def after_tags(window, position):
    """Position after the tags that stand here: ID3, APE, Lyrics3.

    Arguments
    ---------
    window : Window
        The file.
    position : int
        Where tags may begin.

    Returns
    -------
    int
        Position in the file, in bytes.

    Example
    -------
    >>> import io
    >>> from hrin_plugin.audio.pieces import Window
    >>> after_tags(Window(io.BytesIO(b"TAG" + bytes(200))), 0)
    128
    """
    while True:
        head = window.get(position, 32)
        if head[:3] == b"TAG":
            size = 227 if head[:4] == b"TAG+" else 128
        elif head[:3] == b"ID3" and len(head) >= 10:
            size = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0)))
        elif head[:8] == b"APETAGEX":
            # Counted without the header, but with the footer; where this is the footer, it ends here.
            is_header = len(head) >= 24 and head[23] & 0x20
            size = 32 + (int.from_bytes(head[12:16], "little") if is_header else 0)
        elif head[:11] == b"LYRICSBEGIN":
            end = max(window.find(b"LYRICS200", position, position + (1 << 20)), 0)
            end = end or max(window.find(b"LYRICSEND", position, position + 6000), 0)
            size = end + 9 - position if end else 11
        else:
            return position
        position += size
