"""Streams from a server on this machine: Icecast, HLS and RTMP."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hrin_plugin.audio.ffmpeg import ffmpeg_program
from hrin_plugin.formats import read_detection
from hrin_plugin.live.clock import Clock
from hrin_plugin.live.hosts import Hosts, Refused
from hrin_plugin.live.source import Source, SourceError
from hrin_plugin.live.stretches import Listener
from hrin_plugin.pretrained.folder import save_pretrained

FFMPEG = ffmpeg_program()
pytestmark = pytest.mark.skipif(FFMPEG is None, reason="needs ffmpeg")

RATE, LENGTH_S, BYTES_A_SECOND = 16000, 60, 4000
#: Tones tell the second in which they sound.
FIRST_HZ, STEP_HZ = 500.0, 50.0


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A minute of tones, another each second, as MP3 of constant rate."""
    folder = tmp_path_factory.mktemp("radio")
    time_s = np.arange(RATE) / RATE
    tones = [np.sin(2 * np.pi * (FIRST_HZ + STEP_HZ * second) * time_s) for second in range(LENGTH_S)]
    soundfile.write(folder / "a.wav", 0.4 * np.concatenate(tones), RATE)
    encode(folder / "a.wav", folder / "a.mp3", "-b:a", "32k")
    return folder / "a.mp3"


def encode(source, target, *options):
    """Write a recording in another form."""
    command = [FFMPEG, "-v", "error", "-y", "-i", source, *options, target]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


class Radio(socketserver.ThreadingTCPServer):
    """Sends a recording as it is played, so many times as fast, with the last seconds at once, as Icecast.

    It has songs' titles in between, and silences in seconds of the recording, in which it hangs up.
    """

    allow_reuse_address = daemon_threads = True
    block_on_close = False

    def __init__(self, path, speed=1.0, silences=(), kept_s=3.0, stall_s=None):
        self.data, self.speed, self.silences = 9 * path.read_bytes(), speed, silences
        self.kept_s, self.stall_s, self.begun_s = kept_s, stall_s, time.monotonic()
        super().__init__(("127.0.0.1", 0), _Listener)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/oe1.mp3"

    def now_s(self):
        """The second of the recording that is played now."""
        return (time.monotonic() - self.begun_s) * self.speed

    def is_silent(self):
        """Whether it hangs up."""
        return any(begin <= self.now_s() < end for begin, end in self.silences)

    def handle_error(self, *_):
        """Who listens may hang up."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Listener(socketserver.BaseRequestHandler):
    METAINT = 2000

    def handle(self):
        asked = self.request.recv(1 << 16).lower()
        radio, n_sent = self.server, 0
        if radio.is_silent():
            return
        head = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n"
        with_titles = b"icy-metadata: 1" in asked
        head += b"icy-metaint: %d\r\n" % self.METAINT if with_titles else b""
        self.request.sendall(head + b"\r\n")
        place = int(max(0.0, radio.now_s() - radio.kept_s) * BYTES_A_SECOND)
        while place < len(radio.data) and not radio.is_silent():
            now_s = radio.now_s() if radio.stall_s is None else min(radio.now_s(), radio.stall_s)
            block = radio.data[place : int(now_s * BYTES_A_SECOND)]
            place += len(block)
            out = b""
            while with_titles and block:
                until = self.METAINT - n_sent % self.METAINT
                out, n_sent, rest = out + block[:until], n_sent + len(block[:until]), block[until:]
                if not n_sent % self.METAINT:
                    title = b"StreamTitle='%d';" % place
                    title += bytes(-len(title) % 16)
                    out += bytes([len(title) // 16]) + title
                block = rest
            self.request.sendall(out or block)
            time.sleep(0.02)


def seconds_of(samples, rate):
    """The second of the recording that each second of a stretch sounds like."""
    for begin in range(0, len(samples) - rate + 1, rate):
        middle = samples[begin + rate // 4 : begin + 3 * rate // 4, 0]
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        yield (np.argmax(spectrum) * rate / len(middle) - FIRST_HZ) / STEP_HZ


def test_two_interruptions_are_told_and_every_second_has_its_time(recording):
    speed = 8.0
    with Radio(recording, speed, silences=[(18.0, 26.0), (36.0, 46.0)]) as radio:
        clock = Clock(lambda: 1e9 + radio.now_s(), radio.now_s)
        stopping, told = (lambda: radio.now_s() > LENGTH_S), []
        connect = functools.partial(Source, Hosts(radio.url), None, stopping, radio.now_s)
        found = []
        listener = Listener(connect, clock, told.append, stopping, 0.0, lambda seconds: time.sleep(0.02))
        for stretch in listener.stretches():
            found.append((stretch, np.concatenate(list(stretch.blocks))))
    assert len(found) == 3 and [stretch.gap is None for stretch, _ in found] == [True, False, False]
    assert all("no sound from 2001-09-09T01:4" in stretch.gap for stretch, _ in found[1:])
    end = 0.0
    for stretch, samples in found:
        assert stretch.begin >= end and stretch.begin % 1 == 0
        end = stretch.begin + len(samples) / stretch.sample_rate
        heard = list(seconds_of(samples, stretch.sample_rate))
        # The recording's second, by the clock; ffmpeg and this machine take some tenths of a second.
        clock_s = stretch.begin - 1e9 + np.arange(len(heard))
        late_s = clock_s - np.array(heard)
        assert np.abs(late_s - np.median(late_s)).max() <= 1.0 and abs(np.median(late_s)) <= 0.3 * speed
    assert sum(len(samples) for _, samples in found) / found[0][0].sample_rate > 30


def test_a_stream_that_stalls_is_given_up(recording):
    with (
        Radio(recording, 20.0, stall_s=10.0) as radio,
        Source(Hosts(radio.url), stall_s=1.0) as source,
        pytest.raises(SourceError, match="nothing came for 1 s"),
    ):
        assert sum(len(chunk.samples) for chunk in source) > 0


@pytest.fixture
def web(recording, tmp_path):
    """A server of files, with an HLS playlist; and the same under another port."""
    encode(
        recording,
        tmp_path / "hls.m3u8",
        *["-t", "24", "-c:a", "aac", "-f", "hls", "-hls_time", "4", "-hls_list_size", "0"],
    )
    shutil.copy(recording, tmp_path / "a.mp3")

    class Files(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            asked.append((self.server.server_address[1], self.path))
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/to/"))
                self.end_headers()
                return
            super().do_GET()

    asked = []
    handler = functools.partial(Files, directory=str(tmp_path))
    with contextlib.ExitStack() as until:
        ports = []
        for _ in range(2):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            until.callback(server.server_close)
            until.callback(server.shutdown)
            ports.append(server.server_address[1])
        yield tmp_path, ports, asked


def hear(url, *options, **named):
    """Seconds of sound of a stream, and what ended it."""
    n_samples, source = 0, Source(Hosts(url, *options, **named), stall_s=8.0)
    with source:
        try:
            for chunk in source:
                n_samples += len(chunk.samples)
        except (Refused, SourceError) as error:
            return n_samples / (source.sample_rate or 1), error
    return n_samples, None


def test_hls_is_read_and_its_end_told(web):
    _, (port, _), _ = web
    length_s, error = hear(f"http://127.0.0.1:{port}/hls.m3u8")
    assert length_s == pytest.approx(24.0, abs=0.2) and str(error) == "the stream ended"


@pytest.mark.parametrize("foreign", ["http://127.0.0.1:{other}/hls1.ts", "http://localhost:{port}/hls1.ts"])
def test_a_segment_on_a_host_that_is_not_named_is_refused(web, foreign):
    folder, (port, other), asked = web
    playlist = (folder / "hls.m3u8").read_text().replace("hls1.ts", foreign.format(port=port, other=other))
    (folder / "bad.m3u8").write_text(playlist)
    host = foreign.format(port=port, other=other).split("/")[2]
    _, error = hear(f"http://127.0.0.1:{port}/bad.m3u8")
    assert isinstance(error, Refused) and f"--allow-host {host}" in str(error)
    assert (other, "/hls1.ts") not in asked and (port, "/hls1.ts") not in asked
    length_s, _ = hear(f"http://127.0.0.1:{port}/bad.m3u8", [host])
    assert length_s == pytest.approx(24.0, abs=0.2)


@pytest.mark.parametrize(
    "foreign",
    [
        "file://{folder}/hls1.ts",
        "{folder}/hls1.ts",
        "concat:{folder}/hls1.ts",
        "subfile,,start,0,end,0,,:{folder}/hls1.ts",
        "tcp://127.0.0.1:{port}",
    ],  # fmt: skip  # noqa: E501
)
def test_no_playlist_leads_to_a_file_or_another_protocol(web, foreign):
    folder, (port, _), _ = web
    playlist = (folder / "hls.m3u8").read_text()
    text = foreign.format(folder=folder, port=port)
    (folder / "bad.m3u8").write_text(playlist.replace("hls1.ts", text))
    length_s, _ = hear(f"http://127.0.0.1:{port}/bad.m3u8")
    assert length_s < 20.5  # the segment of four seconds is missing, or all of them


def test_a_playlist_of_local_files_is_not_read_at_all(web):
    folder, (port, _), _ = web
    (folder / "bad.m3u8").write_text((folder / "hls.m3u8").read_text().replace("hls", f"file://{folder}/hls"))
    assert hear(f"http://127.0.0.1:{port}/bad.m3u8")[0] == 0
    (folder / "list.ffconcat").write_text(f"ffconcat version 1.0\nfile {folder}/a.mp3\n")
    assert hear(f"http://127.0.0.1:{port}/list.ffconcat")[0] == 0


def test_redirects_lead_to_named_hosts_only(web):
    _, (port, other), asked = web
    url = f"http://127.0.0.1:{port}/to/http://127.0.0.1:{other}/a.mp3"
    _, error = hear(url)
    assert isinstance(error, Refused) and (other, "/a.mp3") not in asked
    assert hear(url, [f"127.0.0.1:{other}"])[0] == pytest.approx(LENGTH_S, abs=0.2)
    _, error = hear(f"http://127.0.0.1:{port}/to/https://127.0.0.1:{port}/a.mp3")
    assert isinstance(error, Refused) and "--allow-protocol https" in str(error)


def test_the_systems_proxies_are_not_used(web, monkeypatch):
    _, (port, _), _ = web
    for name in ("http_proxy", "no_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1" if name == "no_proxy" else "http://127.0.0.1:1")
    _, error = hear(f"http://127.0.0.1:{port}/to/http://127.0.0.1:1/a.mp3")
    assert isinstance(error, Refused)


def test_rtmp(recording):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"rtmp://127.0.0.1:{port}/live/oe1"
    command = [
        FFMPEG,
        "-v",
        "error",
        "-i",
        recording,
        "-ar",
        "44100",
        "-t",
        "20",
        "-f",
        "flv",
        "-listen",
        "1",
        url,
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as sender:
        try:
            time.sleep(0.5)
            if sender.poll() is not None:
                pytest.skip("this ffmpeg serves no RTMP")
            length_s, _ = hear(url)
        finally:
            sender.kill()
    assert length_s == pytest.approx(20.0, abs=0.5)


@pytest.mark.skipif(os.name == "nt", reason="ends a process by a signal")
def test_the_command_closes_cleanly_and_goes_on_after_it(recording, make_model, tmp_path):
    save_pretrained(tmp_path / "model", make_model(hidden_size=4, num_layers=1))
    command = [sys.executable, "-m", "hrin_plugin.cli", "detect", "--model", str(tmp_path / "model")]
    command += ["--backend", "torch", "--decode", "argmax", "--latency", "4", "--format", "json"]
    command += ["--level", "both", "--output", str(tmp_path / "out"), "--live"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    folder = tmp_path / "out" / "oe1"
    with Radio(recording, kept_s=20.0) as radio:
        radio.begun_s -= 20.0
        for _ in range(2):
            with subprocess.Popen([*command, radio.url], env=environment) as listening:
                try:
                    while not list(folder.glob("*.partial")) and listening.poll() is None:
                        time.sleep(0.1)
                    listening.send_signal(signal.SIGTERM)
                    assert listening.wait(60) == 0
                finally:
                    listening.kill()
    first, second = sorted(folder.glob("*Z.json"))
    assert not list(folder.glob("*.partial"))
    found = [read_detection(path) for path in (first, second)]
    assert found[0].events["md"][-1].offset_s == pytest.approx(found[0].duration_s, abs=0.002)
    assert "the program did not run" in found[1].warnings[0]
    assert found[0].begun_at < found[1].begun_at
    record = json.loads((folder / ".hrin-json.json").read_text())
    assert record["latency_s"] == 4.0 and record["provenance"]["live"]["stream"] == radio.url
