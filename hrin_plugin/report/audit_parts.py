"""Parts of the page for an auditor: gaps and overlaps, and where the results come from."""

from collections.abc import Iterator
from datetime import datetime, timezone

from hrin_plugin import __version__
from hrin_plugin.report.account import Account
from hrin_plugin.report.calendar import short_time
from hrin_plugin.report.display import clock
from hrin_plugin.report.html_parts import escape, plain_table
from hrin_plugin.report.provenance import Origin, summarise

#: Gaps and overlaps are folded at first if they are more than this.
MOST_UNFOLDED = 62


def render_holes(account: Account) -> Iterator[str]:
    """Gaps and overlaps between the recordings of a station, as HTML.

    Example
    -------
    >>> from hrin_plugin.report.account import open_account
    >>> list(render_holes(open_account([])))
    []
    """
    zone = account.airtime.zone
    for what, holes, heads in (
        ("gaps", account.airtime.gaps, ("After", "Before")),
        ("overlaps", account.airtime.overlaps, ("Counted", "Not counted there")),
    ):
        if not holes:
            continue
        rows = [
            (
                hole.station,
                *(short_time(ms, zone) for ms in hole[1:3]),
                clock(hole.length_ms),
                hole.before,
                hole.after,
            )
            for hole in holes
        ]
        table = plain_table(("Station", "From", "To", "Length", *heads), rows)
        opened = " open" * (len(holes) <= MOST_UNFOLDED)
        title = f"{what[0].upper()}{what[1:]} between recordings"
        yield f'<h2 id="{what}">{title}</h2><details{opened}><summary>{len(holes)}</summary>{table}</details>'


def render_provenance(account: Account) -> Iterator[str]:
    """What the results were made with, and from which recordings, as HTML.

    Example
    -------
    >>> from hrin_plugin.report.account import open_account
    >>> "do not tell" in "".join(render_provenance(open_account([])))
    True
    """
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    facts = [("Report", f"hrin-plugin {__version__}, {now}")]
    names = {
        "version": "Results by hrin-plugin",
        "model": "Model",
        "decisions": "Decisions",
        "detected": "Detected",
        "corrected": "Corrected",
    }
    absent = {"corrected": "nothing"}
    summary = summarise(account.origins.values())
    for key, values in summary.items() if any(summary.values()) else ():
        facts += [(names[key], value) for value in values] or [(names[key], absent.get(key, "not known"))]
    if len(facts) == 1:
        facts.append(("Results", "do not tell what they were made with"))
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    yield f"<h2>Provenance</h2><dl>{items}</dl>"
    rows = []
    for airing in account.airtime.airings:
        origin = account.origins.get(airing.detection.name, Origin())
        start = "" if airing.start_ms is None else short_time(airing.start_ms, account.airtime.zone)
        size = "" if origin.size is None else str(origin.size)
        lasting = clock(airing.to_ms)
        done = (origin.detected or "").replace("T", " ").replace("Z", "")
        changed = _corrected(origin)
        rows.append(
            (airing.detection.name, start, lasting, size, origin.sha256 or "not known", done, changed)
        )
    heads = ("Recording", "Start", "Length", "Bytes", "SHA-256", "Detected (UTC)", "Corrected")
    table = plain_table(heads, rows)
    yield f"<details><summary>Recordings <span>{len(rows)}</span></summary>{table}</details>"


def _corrected(origin):
    """How much of a recording was corrected, by whom and when; empty where nothing was."""
    if origin.corrected_s is None:
        return ""
    done = ", reviewed to the end" if origin.reviewed else ""
    return (
        f"{clock(round(1000 * origin.corrected_s))} by {origin.corrected_by}, {origin.corrected[:10]}{done}"
    )
