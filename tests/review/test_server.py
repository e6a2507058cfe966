"""The server: whom it refuses, what it never gives out, and that windows do not lose each other's changes."""

import os
import signal
import socket
import subprocess
import sys

import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

from starlette.testclient import TestClient  # noqa: E402

from hrin_plugin.cli import main  # noqa: E402
from hrin_plugin.formats.corrected import read_correction  # noqa: E402
from hrin_plugin.report.airtime import untimed  # noqa: E402
from hrin_plugin.report.results import read_with_files  # noqa: E402
from hrin_plugin.review.desk import Desk  # noqa: E402
from hrin_plugin.review.guard import MOST_BYTES, Guard  # noqa: E402
from hrin_plugin.review.library import find_items  # noqa: E402
from hrin_plugin.review.peaks import PeaksMaker  # noqa: E402
from hrin_plugin.review.server import Service  # noqa: E402

PORT = 8000
HERE = f"http://127.0.0.1:{PORT}"


def guard_of(results, archive):
    (detections, _), files = read_with_files([results])
    items = find_items(untimed(detections), files, results, archive)
    return Guard(Service(Desk(items, results), archive, PeaksMaker(items), "anna", "UTC").app(), PORT)


@pytest.fixture
def guard(day):
    return guard_of(*day)


@pytest.fixture
def client(guard):
    client = TestClient(guard, base_url=HERE)
    assert client.get(guard.address).status_code == 200
    return client


def send(client, order, **headers):
    headers = {"Origin": HERE, "Content-Type": "application/json"} | headers
    return client.post("/change", json=order, headers={k: v for k, v in headers.items() if v is not None})


def test_the_token_becomes_a_cookie_that_no_script_reads(guard):
    client = TestClient(guard, base_url=HERE, follow_redirects=False)
    answer = client.get(guard.address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and f"_{PORT}=" in cookie
    assert client.get("/library").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/library", "/page.js", "/sound/0?from=0&to=10", "/segments?numbers=0"]
)
def test_without_the_cookie_nothing_is_given(guard, path):
    answer = TestClient(guard, base_url=HERE).get(path)
    assert answer.status_code == 403 and "open the address that 'hrin review' printed" in answer.text


@pytest.mark.parametrize("token", ["", "x", "é", "%00"])
def test_a_wrong_token_is_refused(guard, token):
    assert TestClient(guard, base_url=HERE).get(f"/?token={token}").status_code == 403


@pytest.mark.parametrize("cookie", ["", "x", "a" * 5000])
def test_a_wrong_cookie_is_refused(guard, cookie):
    client = TestClient(guard, base_url=HERE, cookies={f"hrin_review_{PORT}": cookie})
    assert client.get("/library").status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:9", "127.0.0.1:8000.evil.example", ""]
)
def test_another_host_is_refused_as_of_rebound_names(client, host):
    assert client.get("/library", headers={"Host": host}).status_code == 421
    assert client.get("/library", headers={"Host": "localhost:8000"}).status_code == 200


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:9", "https://127.0.0.1:8000"]
)
def test_a_change_from_another_page_is_refused(client, origin, day):
    answer = send(client, {"number": 0, "revision": 0, "do": "split", "at": 500}, Origin=origin)
    assert answer.status_code == 403 and not list(day[0].rglob("*.corrected"))


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_the_browser_tells_of_another_site_is_refused(client, site):
    assert client.get("/library", headers={"Sec-Fetch-Site": site}).status_code == 403


def test_forms_large_bodies_and_other_methods_are_refused(client):
    order = {"number": 0, "revision": 0, "do": "split", "at": 500}
    assert send(client, order, **{"Content-Type": "text/plain"}).status_code == 415
    assert send(client, order | {"x": "a" * MOST_BYTES}).status_code == 413
    chunks = client.post(
        "/change", content=iter([b"{}"]), headers={"Origin": HERE, "Content-Type": "application/json"}
    )
    assert chunks.status_code == 411
    assert client.put("/change").status_code == 405 and client.delete("/library").status_code == 405
    assert client.get("/change").status_code == 405


def test_every_answer_forbids_other_content(client, guard):
    for answer in (client.get("/"), client.get("/nothing"), TestClient(guard, base_url=HERE).get("/")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        *("/../pyproject.toml", "/page/page.html", "/etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page.py"),
        *("/sound/..%2f..%2fetc%2fpasswd?from=0&to=9", "/sound/-1?from=0&to=9", "/fine/a?from=0&to=9"),
    ],
)
def test_no_path_is_taken_from_a_request(client, path):
    assert client.get(path).status_code in (400, 404)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/sound/4?from=0&to=10",
            "/sound/0?from=10&to=10",
            "/sound/0?from=-5&to=10",
            "/sound/0?from=0&to=60001",
        ),
        *("/sound/0?from=a&to=b", "/sound/0", "/fine/0?from=0&to=30000", "/segments?numbers=4", "/segments"),
        *("/segments?numbers=-1", "/peaks?level=9&tiles=0:0", "/peaks?level=0&tiles=x", "/news?since=x"),
    ],
)
def test_what_is_not_there_is_refused_in_words(client, path):
    answer = client.get(path)
    assert answer.status_code == 400 and answer.json()["problem"]


@pytest.mark.parametrize(
    "body", ["", "[]", "1", "{}", '{"number": 0}', "[" * 5000, '{"number": "0", "revision": 0}']
)
def test_a_damaged_order_is_refused(client, body, day):
    headers = {"Origin": HERE, "Content-Type": "application/json"}
    answer = client.post("/change", content=body, headers=headers)
    assert answer.status_code == 400 and "reload the page" in answer.json()["problem"]
    assert not list(day[0].rglob("*.corrected"))


def test_sound_is_given_by_ranges(client):
    whole = client.get("/sound/0?from=39000&to=41000")
    assert whole.status_code == 200 and len(whole.content) == 44 + 2 * 2 * 8000
    assert whole.headers["accept-ranges"] == "bytes"
    part = client.get("/sound/0?from=39000&to=41000", headers={"Range": "bytes=16000-16099"})
    assert part.status_code == 206 and part.content == whole.content[16000:16100]
    assert part.headers["content-range"] == f"bytes 16000-16099/{len(whole.content)}"
    behind = client.get("/sound/0?from=39000&to=41000", headers={"Range": "bytes=99999-"})
    assert behind.status_code == 416 and behind.headers["content-range"] == f"bytes */{len(whole.content)}"


def test_a_change_is_saved_before_the_answer(client, day):
    answer = send(client, {"number": 0, "revision": 0, "do": "split", "at": 500, "who": "bob"})
    assert answer.status_code == 200 and answer.json()["state"]["revision"] == 1
    saved = read_correction(day[0] / "fm4" / "2026-03-28_00-00.corrected")
    assert saved.segments[1].onset_ms == 500 and saved.in_force[0].who == "bob"
    assert saved.recording == "../../archive/fm4/2026-03-28_00-00.flac"


def test_a_second_window_that_saw_less_loses_nothing(client, day):
    first = {"number": 0, "revision": 0, "do": "split", "at": 500}
    assert send(client, first).status_code == 200
    late = send(client, first | {"at": 700})
    assert late.status_code == 409 and "another window" in late.json()["problem"]
    assert late.json()["state"]["segments"][1][0] == 500
    assert send(client, first | {"at": 700, "revision": 1}).status_code == 200
    news = client.get("/news?since=0").json()
    assert news["changed"] == [0] and client.get(f"/news?since={news['news']}").json()["changed"] == []


def test_what_another_program_wrote_is_shown(client, day):
    send(client, {"number": 0, "revision": 0, "do": "split", "at": 500})
    news = client.get("/news?since=0").json()["news"]
    path = day[0] / "fm4" / "2026-03-28_00-00.corrected"
    path.unlink()
    assert client.get(f"/news?since={news}").json()["changed"] == [0]
    assert len(client.get("/segments?numbers=0").json()["0"]["segments"]) == 4
    path.write_text("damaged")
    assert "is not JSON" in client.get("/segments?numbers=0").json()["0"]["problem"]
    answer = send(client, {"number": 0, "revision": 0, "do": "split", "at": 500})
    assert answer.status_code == 400 and "is not JSON" in answer.json()["problem"]
    assert path.read_text() == "damaged"


def test_a_full_disk_changes_nothing(client, small_files, day):
    with small_files(100):
        answer = send(client, {"number": 0, "revision": 0, "do": "split", "at": 500})
    assert answer.status_code == 507 and "not saved" in answer.json()["problem"]
    assert client.get("/segments?numbers=0").json()["0"]["revision"] == 0
    assert not list(day[0].rglob("*.corrected"))


def test_links_out_of_the_folders_are_not_followed(day, tmp_path):
    results, archive = day
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    recording = archive / "fm4" / "2026-03-28_00-00.flac"
    recording.rename(elsewhere / "secret.flac")
    recording.symlink_to(elsewhere / "secret.flac")
    (results / "fm4" / "2026-03-28_01-00.corrected").symlink_to(elsewhere / "kept")
    (elsewhere / "kept").write_text("do not touch")
    guard = guard_of(results, archive)
    client = TestClient(guard, base_url=HERE)
    client.get(guard.address)
    first, second = client.get("/library").json()["items"][:2]
    assert not first["heard"] and "outside" in first["problem"]
    assert client.get("/sound/0?from=0&to=10").status_code == 400
    assert "out of the folder" in second["problem"]
    answer = send(client, {"number": 1, "revision": 0, "do": "split", "at": 500})
    assert answer.status_code == 400 and (elsewhere / "kept").read_text() == "do not touch"


def test_a_link_that_appears_later_is_not_followed_either(client, day, tmp_path):
    recording = day[1] / "fm4" / "2026-03-28_00-00.flac"
    assert client.get("/sound/0?from=0&to=10").status_code == 200
    recording.rename(tmp_path / "secret.flac")
    recording.symlink_to(tmp_path / "secret.flac")
    answer = client.get("/sound/0?from=0&to=10")
    assert answer.status_code == 400 and "outside" in answer.json()["problem"]


def test_the_queue_has_the_shortest_first_and_forgets_what_a_person_saw(client):
    queue = client.get("/queue").json()
    assert queue["all"] == 16 and [doubt[1] for doubt in queue["doubts"][:4]] == [1.5] * 4
    send(client, {"number": 0, "revision": 0, "do": "confirm", "at": 20_000})
    send(client, {"number": 1, "revision": 0, "do": "reviewed", "value": True})
    queue = client.get("/queue").json()
    assert queue["all"] == 16 - 1 - 4 and {doubt[2] for doubt in queue["doubts"][:2]} == {2, 3}


def test_confidences_order_the_queue_where_results_tell_them(day):
    (detections, _), files = read_with_files([day[0]])

    class Sure:
        """A result with confidences."""

        confidences = {"mrle": (0.99, 0.5, 0.7, 0.9)}

        def __init__(self, found):
            self._found = found

        def __getattr__(self, name):
            return getattr(self._found, name)

    items = find_items(untimed(detections), files, *day)
    items[2] = items[2]._replace(detection=Sure(items[2].detection))
    doubts, _ = Desk(items, day[0]).queue()
    assert [(each.kind, each.value, each.item, each.onset_ms) for each in doubts[:4]] == [
        *((0, 0.5, 2, 20_000), (0, 0.7, 2, 21_500), (0, 0.9, 2, 40_000)),
        (1, 1.5, 0, 20_000),
    ]


def test_the_command_stops_at_once_and_says_that_all_is_saved(day, serve):
    _, process = serve(*day)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "all corrections are saved" in err, (out, err)


def test_two_servers_on_one_folder_are_refused(day, serve, capsys):
    serve(*day)
    assert main(["review", str(day[0]), "--audio", str(day[1]), "--no-browser"]) == 1
    assert "runs on it already" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(day, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["review", str(day[0]), "--audio", str(day[1]), "--no-browser", "--port", port]) == 1
    assert f"--port {port}: " in capsys.readouterr().err


def test_names_that_are_no_text_are_shown(tmp_path, make_day):
    results, archive = make_day(tmp_path, n_hours=1)
    for folder, ending in ((results, ".json"), (archive, ".flac")):
        path = folder / "fm4" / f"2026-03-28_00-00{ending}"
        path.rename(os.fsdecode(os.fsencode(path.parent) + b"/m\xfcll" + ending.encode()))
    guard = guard_of(results, archive)
    client = TestClient(guard, base_url=HERE)
    client.get(guard.address)
    assert len(client.get("/library").json()["items"]) == 2
    answer = send(client, {"number": 0, "revision": 0, "do": "split", "at": 500})
    assert answer.status_code == 200 and client.get("/sound/0?from=0&to=10").status_code == 200
    (path,) = results.rglob("*.corrected")
    assert read_correction(path).segments[1].onset_ms == 500


@pytest.mark.parametrize(
    ("words", "status", "problem"),
    [
        (("nowhere", "--audio", "."), 2, "RESULTS: nowhere is not a folder"),
        ((".", "--audio", "nowhere"), 2, "--audio: nowhere is not a folder"),
        ((".", "--audio", ".", "--port", "70000"), 2, "--port is 70000"),
        ((".", "--audio", ".", "--reviewer", "a\nb"), 2, "printable letters"),
        ((".", "--audio", "."), 1, "holds no result to review"),
    ],
)
def test_wrong_use_is_one_sentence(words, status, problem, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["review", *words, "--no-browser"]) == status
    assert problem in capsys.readouterr().err


def test_without_the_library_the_cure_is_named(day, tmp_path):
    code = "import sys; sys.modules['starlette'] = None; from hrin_plugin.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "review", str(day[0]), "--audio", str(day[1])]
    run = subprocess.run(words, capture_output=True, text=True, env=os.environ)
    assert run.returncode == 1 and 'pip install "hrin-plugin[review]"' in run.stderr
