"""What the page asks for: recordings, segments, waveforms, sound, and changes. Nothing names a path."""

import base64
import functools
import json
from importlib import resources

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from hrin_plugin.audio.files import AudioError
from hrin_plugin.report.display import class_name, colours_of, printable
from hrin_plugin.review.changes import ChangeRefused
from hrin_plugin.review.desk import Conflict, Desk
from hrin_plugin.review.library import OUTSIDE, is_inside
from hrin_plugin.review.peaks import RATE, PeaksMaker
from hrin_plugin.review.samples import SamplesCache
from hrin_plugin.review.sound import MOST_MS, Stretch, parse_range

#: The page's files, and nothing else, are given out.
FILES = {
    "/": ("page.html", "text/html"),
    **{
        f"/{name}.js": (f"{name}.js", "text/javascript")
        for name in ("page", "store", "lanes", "player", "clock")
    },
    "/page.css": ("page.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

#: Buckets of a tile of a waveform; recordings and tiles that one request may name; longest fine tile.
TILE, MOST_ASKED, MOST_FINE_MS = 4096, 400, 20_000


class Service:
    """The routes of the page.

    Arguments
    ---------
    desk : Desk
        The recordings under review.
    archive : pathlib.Path
        The folder outside of which no recording is opened.
    peaks : PeaksMaker
        The waveforms.
    reviewer : str
        Name of the person, unless the page tells another.
    zone : str
        Name of the zone of the recordings' times.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> len(Service(Desk([], folder), folder, PeaksMaker([]), "anna", "UTC").app().routes)
    16
    """

    def __init__(self, desk: Desk, archive, peaks: PeaksMaker, reviewer: str, zone: str):
        self._desk, self._archive, self._peaks = desk, archive, peaks
        self._reviewer, self._zone, self._samples = reviewer, zone, SamplesCache()

    def app(self) -> Starlette:
        """The application."""
        routes = [Route(path, functools.partial(_file, *file)) for path, file in FILES.items()]
        routes += [
            Route(path, self._in_thread(answer), methods=[method])
            for path, answer, method in (
                ("/library", self._library, "GET"),
                ("/segments", self._segments, "GET"),
                ("/queue", self._queue, "GET"),
                ("/news", self._news, "GET"),
                ("/peaks", self._tiles, "GET"),
                ("/fine/{number:int}", self._fine, "GET"),
                ("/sound/{number:int}", self._sound, "GET"),
            )
        ]
        return Starlette(routes=[*routes, Route("/change", self._change, methods=["POST"])])

    def _in_thread(self, answer):
        """A route whose answer is made in a thread, so that others need not wait."""

        async def route(request):
            try:
                return await run_in_threadpool(answer, request)
            except (KeyError, IndexError, ValueError) as error:
                return JSONResponse({"problem": printable(str(error))}, 400)

        return route

    def _library(self, request):
        """All recordings, and the classes."""
        items = self._desk.items
        levels = {number: self._desk.correction(number) for number in range(len(items))}
        labels = list(dict.fromkeys(label for c in levels.values() for label in c.taxonomy.labels[c.level]))
        colours = colours_of(labels)
        return JSONResponse(
            {
                "reviewer": self._reviewer,
                "zone": self._zone,
                "buckets": TILE,
                "rate": RATE,
                "classes": [
                    {"label": label, "name": class_name(label), "colour": colours[label]} for label in labels
                ],
                "items": [
                    {
                        "name": printable(item.name),
                        "station": printable(item.station),
                        "start": item.start_ms,
                        "length": item.length_ms,
                        "heard": item.audio is not None,
                        "problem": item.problem or self._problem(number),
                        "reviewed": levels[number].reviewed,
                        "labels": list(levels[number].taxonomy.labels[levels[number].level]),
                    }
                    for number, item in enumerate(items)
                ],
                "news": self._desk.news,
            }
        )

    def _segments(self, request):
        """The segments of some recordings."""
        return JSONResponse({number: self._state(number) for number in self._numbers(request)})

    def _queue(self, request):
        """The most doubtful segments."""
        doubts, n_all = self._desk.queue()
        return JSONResponse({"doubts": [tuple(doubt) for doubt in doubts], "all": n_all})

    def _news(self, request):
        """What other windows and programs did since, and how far the waveforms are."""
        self._desk.look()
        changed = self._desk.changed_since(int(request.query_params["since"]))
        return JSONResponse({"news": self._desk.news, "changed": changed, "waveforms": self._peaks.n_left})

    def _tiles(self, request):
        """Tiles of waveforms: ``number:tile`` each, of one resolution; null where one is not there yet."""
        level, asked = int(request.query_params["level"]), request.query_params["tiles"].split(",")
        if not 0 <= level < 5 or len(asked) > MOST_ASKED:
            raise ValueError("no such resolution, or too many tiles")
        found = {}
        for key in asked:
            number, tile = map(int, key.split(":"))
            buckets = self._peaks.get(number, level, tile * TILE, (tile + 1) * TILE)
            found[key] = None if buckets is None else base64.b64encode(buckets.tobytes()).decode()
        return JSONResponse(found)

    def _fine(self, request):
        """A waveform of a millisecond a bucket, of some seconds."""
        stretch = self._stretch(request, MOST_FINE_MS)
        return Response(stretch.peaks().tobytes(), media_type="application/octet-stream")

    def _sound(self, request):
        """A stretch of a recording to hear."""
        stretch = self._stretch(request, MOST_MS)
        head = {"Accept-Ranges": "bytes"}
        try:
            asked = parse_range(request.headers.get("range"), stretch.size)
        except ValueError:
            return Response(status_code=416, headers={**head, "Content-Range": f"bytes */{stretch.size}"})
        begin, end = asked or (0, stretch.size)
        head["Content-Length"] = str(end - begin)
        if asked:
            head["Content-Range"] = f"bytes {begin}-{end - 1}/{stretch.size}"
        body = stretch.read(begin, end)
        return StreamingResponse(body, 206 if asked else 200, head, "audio/wav")

    async def _change(self, request):
        """Carry out a change and save it."""
        body = await request.body()
        return await run_in_threadpool(self._changed, body)

    def _changed(self, body):
        """The answer to a change."""
        try:
            order = json.loads(body)
            number, revision, who = (
                order["number"],
                order["revision"],
                _name(order.get("who"), self._reviewer),
            )
            if type(number) is not int or not 0 <= number < len(self._desk.items):
                raise ChangeRefused("there is no such recording; reload the page")
        except ChangeRefused as error:
            return JSONResponse({"problem": str(error)}, 400)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return JSONResponse({"problem": "the request is damaged; reload the page"}, 400)
        try:
            self._desk.apply(number, revision, order, who)
        except ChangeRefused as error:
            return JSONResponse({"problem": printable(str(error))}, 400)
        except Conflict as error:
            return JSONResponse({"problem": printable(str(error)), "state": self._state(number)}, 409)
        except OSError as error:
            problem = f"not saved: {error.strerror}; nothing has changed"
            return JSONResponse({"problem": problem}, 507)
        return JSONResponse({"state": self._state(number)})

    def _numbers(self, request):
        """Numbers of recordings that a request names."""
        numbers = [int(text) for text in request.query_params["numbers"].split(",")]
        if len(numbers) > MOST_ASKED or not all(0 <= each < len(self._desk.items) for each in numbers):
            raise ValueError("no such recording, or too many")
        return numbers

    def _stretch(self, request, most_ms):
        """The stretch of a recording that a request names."""
        item = self._desk.items[request.path_params["number"]]
        begin, end = (int(request.query_params[key]) for key in ("from", "to"))
        if item.audio is None:
            raise ValueError(item.problem)
        if not is_inside(item.audio, self._archive):
            raise ValueError(OUTSIDE)
        if not 0 <= begin < end <= item.length_ms or end - begin > most_ms:
            raise ValueError(f"{begin} to {end} ms is no stretch of the recording")
        try:
            return Stretch(self._samples.get(item.audio), begin, end)
        except (AudioError, OSError) as error:
            raise ValueError(str(error)) from None

    def _problem(self, number):
        """Why a recording cannot be corrected, as text that JSON can hold; None where it can be."""
        problem = self._desk.problem(number)
        return problem and printable(problem)

    def _state(self, number):
        """A recording as the page needs it."""
        correction = self._desk.correction(number)
        labels = correction.taxonomy.labels[correction.level]
        places = {label: place for place, label in enumerate(labels)}
        sure = self._desk.confidence
        return {
            "revision": correction.revision,
            "segments": [[*s[:2], places[s.label], s.checked, sure(number, s)] for s in correction.segments],
            "undo": correction.n_done,
            "redo": len(correction.history) - correction.n_done,
            "reviewed": correction.reviewed,
            "outdated": self._desk.is_outdated(number),
            "last": correction.in_force[-1][:3] if correction.in_force else None,
            "problem": self._problem(number),
        }


def _file(name, kind, request):
    """A file of the page."""
    content = (resources.files(__package__) / "page" / name).read_bytes()
    return Response(content, media_type=kind)


def _name(text, default):
    """A reviewer's name from a request."""
    name = (text if isinstance(text, str) else "").strip() or default
    if len(name) > 100 or not name.isprintable():
        raise ChangeRefused("the reviewer's name holds what cannot be printed, or is longer than 100 letters")
    return name
