"""ELAN annotations (EAF): a tier for each level, linked to the recording."""

from pathlib import Path

from hrin_plugin.detection import TASKS, Detection
from hrin_plugin.events import Event
from hrin_plugin.formats.contract import Format
from hrin_plugin.formats.drafts import Draft, Row
from hrin_plugin.formats.text import format_error, parse_number, read_text, tiers_of
from hrin_plugin.totals import milliseconds

#: Property of the header that has the recording's length in seconds.
DURATION = "hrin:duration"

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv2.8.xsd"
_TYPE = "music"
#: Kinds of media that ELAN has a name for.
_KINDS = {".wav": "audio/x-wav", ".mp4": "video/mp4", ".mpg": "video/mpeg", ".mov": "video/quicktime"}


def elan_text(detection: Detection) -> str:
    """An ELAN file: a tier for each level; where events overlap, one for each label.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> from hrin_plugin.events import Event
    >>> import xml.etree.ElementTree as xml
    >>> text = elan_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]}))
    >>> [slot.attrib["TIME_VALUE"] for slot in xml.fromstring(text.encode()).iter("TIME_SLOT")]
    ['500', '2000']
    """
    import xml.etree.ElementTree as xml  # hrin --help need not wait for it

    instance = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
    # No date, so that the same result gives the same bytes.
    attributes = {"AUTHOR": "hrin", "DATE": "1970-01-01T00:00:00Z", "FORMAT": "2.8", "VERSION": "2.8"}
    root = xml.Element("ANNOTATION_DOCUMENT", attributes | {instance: _SCHEMA})
    header = xml.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if detection.path is not None:
        url = Path(detection.path).absolute().as_uri()
        kind = _KINDS.get(Path(detection.path).suffix.lower(), "unknown")
        xml.SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=url, MIME_TYPE=kind)
    xml.SubElement(header, "PROPERTY", NAME=DURATION).text = f"{detection.duration_s:.3f}"
    order, n_slots = xml.SubElement(root, "TIME_ORDER"), 0
    for name, events in tiers_of(detection).items():
        tier = xml.SubElement(root, "TIER", LINGUISTIC_TYPE_REF=_TYPE, TIER_ID=name)
        for event in events:
            slots = f"ts{n_slots + 1}", f"ts{n_slots + 2}"
            for slot, time_s in zip(slots, event[:2]):
                xml.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(milliseconds(time_s)))
            n_slots += 2
            references = {"TIME_SLOT_REF1": slots[0], "TIME_SLOT_REF2": slots[1]}
            annotation = xml.SubElement(
                xml.SubElement(tier, "ANNOTATION"),
                "ALIGNABLE_ANNOTATION",
                {"ANNOTATION_ID": f"a{n_slots // 2}"} | references,
            )
            xml.SubElement(annotation, "ANNOTATION_VALUE").text = event.label
    xml.SubElement(root, "LINGUISTIC_TYPE", LINGUISTIC_TYPE_ID=_TYPE, TIME_ALIGNABLE="true")
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"


def read_elan(path: str | Path) -> Draft:
    """Read the tiers of an ELAN file whose names begin with a level's.

    Example
    -------
    >>> from hrin_plugin.detection import Detection
    >>> path = getfixture("tmp_path") / "a.eaf"
    >>> _ = path.write_text(elan_text(Detection("a", 2.0, {"md": [Event(0.5, 2.0, "music")]})))
    >>> read_elan(path).rows[0].event
    Event(onset_s=0.5, offset_s=2.0, label='music')
    """
    import xml.etree.ElementTree as xml

    try:
        root = xml.fromstring(read_text(path).encode())
    except xml.ParseError as error:
        raise format_error(path, error.position[0], f"is not XML ({error})") from None
    slots = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
    rows, tasks = [], []
    for tier in root.iter("TIER"):
        task = next((task for task in TASKS if task == (tier.get("TIER_ID") or "").split(" ")[0]), None)
        if task is None:
            continue
        tasks.append(task)
        for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
            times = (slots.get(annotation.get(f"TIME_SLOT_REF{end}")) for end in (1, 2))
            onset_s, offset_s = (parse_number(path, 0, time) / 1000 for time in times)
            label = annotation.findtext("ANNOTATION_VALUE") or ""
            rows.append(Row(0, task, Event(onset_s, offset_s, label)))
    if not tasks:
        cure = "name the tiers so, or write it again"
        raise format_error(path, 0, f"has no tier called {' or '.join(TASKS)}", cure)
    lengths = [each.text for each in root.iter("PROPERTY") if each.get("NAME") == DURATION]
    duration_s = parse_number(path, 0, lengths[0]) if lengths else None
    return Draft(rows, None, duration_s, tuple(dict.fromkeys(tasks)))


FORMAT = Format("elan", ".eaf", joint=True, write=elan_text, read=read_elan)
