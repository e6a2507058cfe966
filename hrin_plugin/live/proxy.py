"""A small HTTP proxy on this machine, through which ffmpeg reaches allowed hosts and no others.

ffmpeg limits protocols, not hosts, and follows redirects and playlists anywhere. It sends every HTTP request,
and every connection with TLS, to the proxy that it is given.
"""

import collections
import contextlib
import selectors
import socketserver
import threading
import urllib.parse

from hrin_plugin.live.hosts import PROTOCOLS, Hosts, Refused

#: Longest head of a request, bytes that are passed on at a time, and how long nothing may come, in seconds.
_HEAD_BYTES, _BLOCK_BYTES, _SILENCE_S = 1 << 16, 1 << 16, 60.0


class Proxy:
    """The proxy, in threads of its own; a context manager that ends it.

    Arguments
    ---------
    hosts : Hosts
        What may be reached.

    Example
    -------
    >>> with Proxy(Hosts("http://radio.example/oe1")) as proxy:
    ...     proxy.url.startswith("http://127.0.0.1:"), list(proxy.refusals)
    (True, [])
    """

    def __init__(self, hosts: Hosts):
        #: The last refusals, each in a sentence.
        self.refusals = collections.deque(maxlen=5)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hosts, self._server.refusals = hosts, self.refusals
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    """Threads that end with the process."""

    daemon_threads, block_on_close = True, False

    def handle_error(self, request, client_address):
        """A connection that breaks is none of the proxy's."""


class _Handler(socketserver.BaseRequestHandler):
    """One connection of ffmpeg."""

    def handle(self):
        """Pass one request on, or refuse it."""
        self.request.settimeout(_SILENCE_S)
        head, rest = self._head()
        if not head:
            return
        try:
            host, port, sent = _target(head, self.server.hosts)
            with self.server.hosts.connect(host, port) as there:
                if sent is None:
                    self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    there.sendall(rest)
                else:
                    there.sendall(sent)
                _pass_on(self.request, there)
        except Refused as refusal:
            self.server.refusals.append(str(refusal))
            self._answer(b"403 Forbidden")
        except OSError:
            self._answer(b"502 Bad Gateway")

    def _head(self):
        """The head of the request, and what came after it."""
        data = b""
        while b"\r\n\r\n" not in data and len(data) < _HEAD_BYTES:
            block = self.request.recv(_BLOCK_BYTES)
            if not block:
                return b"", b""
            data += block
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def _answer(self, status):
        """Answer with an error."""
        with contextlib.suppress(OSError):
            self.request.sendall(
                b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )


def _target(head, hosts):
    """Host, port, and the request to send there; None in place of it for a tunnel."""
    first, *lines = head.split(b"\r\n")
    try:
        method, target, _ = first.decode("ascii").split(" ")
        is_tunnel = method == "CONNECT"
        parts = urllib.parse.urlsplit(f"//{target}" if is_tunnel else target)
        host, port = parts.hostname, parts.port or PROTOCOLS["http"]
    except ValueError:
        host = None
    if not host or not (is_tunnel or parts.scheme == "http"):
        raise Refused("the stream leads to an address that is none; give another stream")
    wanted = {"https", "rtmps"} if is_tunnel else {"http"}
    if not wanted & hosts.protocols:
        protocol = "https" if is_tunnel else "http"
        raise Refused(
            f"the stream leads to {host}:{port} by {protocol}, which is not named; if it is the station's, "
            f"give --allow-protocol {protocol}"
        )
    if is_tunnel:
        return host, port, None
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"proxy-"))]
    sent = [f"{method} {path} HTTP/1.1".encode("ascii"), *kept, b"Connection: close", b"", b""]
    return host, port, b"\r\n".join(sent)


def _pass_on(here, there):
    """Pass bytes on in both directions, until one side closes or nothing comes for long."""
    others = {here: there, there: here}
    with selectors.DefaultSelector() as selector:
        for end in others:
            selector.register(end, selectors.EVENT_READ)
        while ready := selector.select(_SILENCE_S):
            for key, _ in ready:
                block = key.fileobj.recv(_BLOCK_BYTES)
                if not block:
                    return
                others[key.fileobj].sendall(block)
