"""A stream as samples with the times at which they came: ffmpeg in a process of its own."""

import contextlib
import os
import queue
import re
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from hrin_plugin.audio.ffmpeg import ffmpeg_program
from hrin_plugin.audio.probe import CONTAINERS
from hrin_plugin.live.hosts import Hosts, Refused, without_secrets
from hrin_plugin.live.proxy import Proxy

#: After so many seconds without a sample a connection is given up.
STALL_S = 30.0

#: Bytes that are read at a time, and such blocks that are held for a detector that falls behind.
_BLOCK_BYTES, _MOST_BLOCKS = 1 << 16, 4096

#: What ffmpeg says of a protocol of streams that it may not use.
_NOT_NAMED = re.compile(r"Protocol '(https?|tls|rtmps?)' not on whitelist")

#: How often it is looked whether to stop, in seconds.
_LOOK_S = 0.2


class SourceError(Exception):
    """Raised where a stream cannot be had at present, with the reason in a few words.

    Example
    -------
    >>> str(SourceError("Connection refused"))
    'Connection refused'
    """


class Chunk(NamedTuple):
    """Samples of a stream.

    Example
    -------
    >>> Chunk(0.5, np.zeros((100, 2), np.float32)).samples.shape
    (100, 2)
    """

    arrival_s: float  # when the last of them came, by the clock that counts elapsed time
    samples: np.ndarray  # [sample, channel], float32, full scale at 1


class Source:
    """One connection to a stream; iterating gives a Chunk after another until it ends.

    Arguments
    ---------
    hosts : Hosts
        The address, and which hosts and protocols it may use.
    track : int or None
        Which of several tracks of sound is used, from 1 on; None for the first.
    stopping : callable
        Whether to end, as if the stream had ended.
    elapsed : callable
        The clock that counts elapsed time, in seconds.
    stall_s : float
        After so many seconds without a sample the connection is given up.

    Raises
    ------
    Refused
        If the stream leads to a host or protocol that is not named.
    SourceError
        If it cannot be had at present, or stalls.
    ValueError
        If there is no ffmpeg.

    Example
    -------
    >>> getfixture("monkeypatch").setattr("hrin_plugin.live.source.ffmpeg_program", lambda: None)
    >>> Source(Hosts("http://radio.example/oe1"))
    Traceback (most recent call last):
    ...
    ValueError: a stream needs ffmpeg, which is not installed; pip install imageio-ffmpeg
    """

    def __init__(
        self,
        hosts: Hosts,
        track: int | None = None,
        stopping: Callable[[], bool] = lambda: False,
        elapsed: Callable[[], float] = time.monotonic,
        stall_s: float = STALL_S,
    ):
        program = ffmpeg_program()
        if program is None:
            raise ValueError("a stream needs ffmpeg, which is not installed; pip install imageio-ffmpeg")
        self._hosts, self._stopping, self._elapsed, self._stall_s = hosts, stopping, elapsed, stall_s
        #: Samples a second; known with the first Chunk.
        self.sample_rate = None
        self._said = ""
        self._blocks = queue.Queue(_MOST_BLOCKS)
        self._closing = threading.Event()
        with contextlib.ExitStack() as stack:
            self._proxy = stack.enter_context(Proxy(hosts))
            command = _command(program, hosts, track, stall_s)
            environment = {
                key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")
            }
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment | {"http_proxy": self._proxy.url},
            )
            self._threads = [
                threading.Thread(target=work, daemon=True) for work in (self._read, self._listen)
            ]
            for thread in self._threads:
                thread.start()
            self._until = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __iter__(self) -> Iterator[Chunk]:
        if self._hosts.url.startswith("rtmp:"):  # which no proxy passes on, and which leads nowhere else
            try:
                self._hosts.addresses(self._hosts.host, self._hosts.port)
            except OSError as error:
                raise SourceError(error.strerror or str(error)) from None
        header, held = b"", b""
        while (block := self._next_block()) is not None:
            arrival_s, data = block
            if self.sample_rate is None:
                header += data
                if len(header) < 24 or len(header) < struct.unpack(">I", header[4:8])[0]:
                    continue
                offset, _, _, self.sample_rate, self._n_channels = struct.unpack(">5I", header[4:24])
                data = header[offset:]
            data, frame_bytes = held + data, 4 * self._n_channels
            whole = len(data) // frame_bytes * frame_bytes
            data, held = data[:whole], data[whole:]
            if data:
                samples = np.frombuffer(data, ">f4").astype(np.float32).reshape(-1, self._n_channels)
                # A decoder may make anything of damaged data.
                yield Chunk(arrival_s, np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0))

    def close(self):
        """End ffmpeg and the proxy."""
        self._closing.set()
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        self._process.stdout.close()
        self._process.stderr.close()
        self._until.close()

    def _next_block(self):
        """Time and bytes of the next block; None at the end."""
        waited_s = 0.0
        while not self._stopping():
            try:
                block = self._blocks.get(timeout=_LOOK_S)
            except queue.Empty:
                waited_s += _LOOK_S
                if waited_s > self._stall_s:
                    self._check_refusals()
                    raise SourceError(f"nothing came for {self._stall_s:g} s") from None
                continue
            if block is None:
                self._raise_reason()
            return block
        return None

    def _raise_reason(self):
        """Raise what ffmpeg or the proxy say of the end."""
        status = self._process.wait()
        self._threads[1].join()
        self._check_refusals()
        if self.sample_rate is None or status:
            raise SourceError(self._said or f"ffmpeg ended with status {status}")
        raise SourceError("the stream ended")

    def _check_refusals(self):
        """Raise what the proxy refused, if anything."""
        if self._proxy.refusals:
            raise Refused(self._proxy.refusals[-1])

    def _read(self):
        """Take what ffmpeg decodes, with the times."""
        handle = self._process.stdout.fileno()
        while not self._closing.is_set():
            data = os.read(handle, _BLOCK_BYTES)
            self._put((self._elapsed(), data) if data else None)
            if not data:
                return

    def _put(self, block):
        """Hand a block over; a detector that is far behind makes ffmpeg wait."""
        while not self._closing.is_set():
            with contextlib.suppress(queue.Full):
                self._blocks.put(block, timeout=_LOOK_S)
                return

    def _listen(self):
        """Keep the last that ffmpeg says."""
        address = self._hosts.url
        for line in self._process.stderr:
            words = line.decode("utf-8", "replace").strip().replace(address, without_secrets(address))
            self._said = words.rpartition("[error] ")[2] or self._said
            if found := _NOT_NAMED.search(words):
                protocol = "https" if found[1] == "tls" else found[1]
                self._proxy.refusals.append(
                    f"the stream leads to the protocol {protocol}, which is not named; if that is right, "
                    f"give --allow-protocol {protocol}"
                )


def _command(program, hosts, track, stall_s):
    """How ffmpeg is started: what it may open, and that it writes floats with their rate, at once."""
    protocols = {*hosts.protocols, "tcp", "httpproxy", "crypto"}
    secured = hosts.protocols & {"https", "rtmps"}
    scheme = hosts.url.partition(":")[0]
    return [
        *(program, "-hide_banner", "-nostdin", "-nostats", "-v", "repeat+level+error"),
        *("-protocol_whitelist", ",".join(sorted(protocols | ({"tls"} if secured else set())))),
        *("-format_whitelist", f"{CONTAINERS},hls"),
        # Later than this side gives up, which says why; ffmpeg takes a stall for the end of the stream.
        *("-rw_timeout", str(round((stall_s + 5) * 1e6))),
        *(("-tls_verify", "1") if scheme == "https" else ()),
        *(("-rtmp_live", "live") if scheme.startswith("rtmp") else ()),
        *("-i", hosts.url, "-map", f"0:a:{(track or 1) - 1}", "-vn", "-sn", "-dn", "-map_metadata", "-1"),
        *("-c:a", "pcm_f32be", "-f", "au", "-flush_packets", "1", "pipe:1"),
    ]
