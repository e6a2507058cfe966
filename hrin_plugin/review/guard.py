"""Who may talk to the server: the browser that was given the address, from a page of this server."""

import hmac
import secrets

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

#: What the page may load and run: what this server gives, and nothing else.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

#: Bytes of the largest request.
MOST_BYTES = 1 << 16


class Guard:
    """Refuses what does not come from the page; middleware in the manner of ASGI.

    The address that is printed holds a token. The first visit exchanges it for a cookie that scripts cannot
    read and other sites cannot send. The headers Host, Origin and Sec-Fetch-Site tell whose page asks.

    Arguments
    ---------
    app : callable
        The application behind it.
    port : int
        Port of the server.
    token : str or None
        None for a random one.

    Example
    -------
    >>> guard = Guard(None, 8000, "secret")
    >>> guard.address
    'http://127.0.0.1:8000/?token=secret'
    """

    def __init__(self, app, port, token=None):
        self._app, self._token = app, token or secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)
        self._cookie = f"hrin_review_{port}"  # cookies do not tell ports apart
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        #: The address with the token.
        self.address = f"http://{self._hosts[0]}/?token={self._token}"

    async def __call__(self, scope, receive, send):
        """Answer a request, or hand it on."""
        if scope["type"] != "http":  # such as the start of the server; no web sockets here
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_safely(message):
            """Add the headers that hold for all answers."""
            if message["type"] == "http.response.start":
                told = {name.lower() for name, _ in message["headers"]}
                new = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message = {
                    **message,
                    "headers": [*message["headers"], *(pair for pair in new if pair[0] not in told)],
                }
            await send(message)

        answer = self._answer(Request(scope)) or self._app
        await answer(scope, receive, send_safely)

    def _answer(self, request) -> Response | None:
        """The answer to a request that is not handed on."""
        host = request.headers.get("host", "").lower()
        if host not in self._hosts:
            return _refusal("this address is not the one that was printed", 421)
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return _refusal("another site's page asks; type the address into the browser", 403)
        if request.method not in ("GET", "HEAD", "POST"):
            return _refusal("no such method", 405)
        if request.method == "POST":
            refusal = _refused_write(request, host)
            if refusal:
                return refusal
        token = request.query_params.get("token")
        if request.method == "GET" and request.url.path == "/" and token is not None:
            if not _same(token, self._token):
                return _refusal("the token is wrong; open the address that 'hrin review' printed", 403)
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self._cookie, self._session, httponly=True, samesite="strict", path="/")
            return answer
        if not _same(request.cookies.get(self._cookie, ""), self._session):
            return _refusal("open the address that 'hrin review' printed, with its token", 403)
        return None


def _refused_write(request, host):
    """The refusal of a write that does not come from the page; None for one that does."""
    if request.headers.get("origin") != f"http://{host}":
        return _refusal("another site's page asks", 403)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return _refusal("send JSON", 415)
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        return _refusal("tell the length", 411)
    if int(length) > MOST_BYTES:
        return _refusal("too large", 413)
    return None


def _same(one, other):
    """Whether two secrets are equal, in a time that does not tell how far they are."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


def _refusal(problem, status):
    """A refusal in plain words."""
    return PlainTextResponse(f"{problem}\n", status)
