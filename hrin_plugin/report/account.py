"""What a report is made from: recordings on their clocks, their totals, and where the results come from."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hrin_plugin.detection import Detection
from hrin_plugin.report.airtime import Airtime, untimed
from hrin_plugin.report.ledger import cut_cells
from hrin_plugin.report.provenance import Origin


class Account(NamedTuple):
    """Recordings, totals and origins.

    Example
    -------
    >>> open_account([]).cells
    []
    """

    airtime: Airtime
    cells: list  # of Cell
    origins: Mapping[str, Origin]  # by the recording's name


def open_account(
    recordings: "Account | Airtime | Sequence[Detection]", origins: Mapping[str, Origin] | None = None
) -> Account:
    """The account of recordings; one that is given is taken as it is.

    Arguments
    ---------
    recordings : Account, Airtime or sequence of Detection
        Detections alone have no times.
    origins : mapping of str to Origin, optional
        Where the results come from, by the recordings' names.

    Returns
    -------
    Account
        With totals.

    Example
    -------
    >>> account = open_account([Detection("a", 3.0, {"md": []})])
    >>> open_account(account) is account, account.cells[0].totals["md"]["music"].of_ms
    (True, 3000)
    """
    if isinstance(recordings, Account):
        return recordings
    airtime = recordings if isinstance(recordings, Airtime) else untimed(recordings)
    return Account(airtime, cut_cells(airtime), origins or {})
