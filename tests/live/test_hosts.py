"""Which hosts a stream may use, and the proxy that sees to it."""

import http.client
import http.server
import threading

import pytest

from hrin_plugin.live.hosts import Hosts, Refused, without_secrets
from hrin_plugin.live.proxy import Proxy


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "concat:a|b",
        "http://",
        "http://a:99999/b",
        "tcp://a:1",
        "http://a/b c",
    ],
)
def test_what_is_no_address_of_a_stream_is_refused(url):
    with pytest.raises(ValueError, match="is not the address of a stream"):
        Hosts(url)


@pytest.mark.parametrize("host", ["http://a", "a/b", "a:b", "", "a:0", "me@a"])
def test_what_is_no_host_is_refused(host):
    with pytest.raises(ValueError, match="is not a host"):
        Hosts("http://radio.example/a", [host])


def test_a_host_is_allowed_on_its_port_and_on_those_of_the_protocols():
    hosts = Hosts("http://Radio.Example.:8000/a", ["cdn.example", "other.example:81", "::1"], ["https"])
    for host in ("radio.example", "cdn.example"):
        assert hosts.allows(host, 80) and hosts.allows(host, 443)
    assert hosts.allows("radio.example", 8000) and not hosts.allows("cdn.example", 8000)
    assert hosts.allows("other.example", 81) and not hosts.allows("other.example", 80)
    assert hosts.allows("::1", 80) and not hosts.allows("radio.example", 22)
    assert not Hosts("http://radio.example/a").allows("radio.example", 443)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.1.2.3"],
)
def test_a_name_that_leads_to_a_private_address_is_refused_unless_that_is_named(monkeypatch, address):
    answer = [(None, None, None, "", (address, 80))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(Refused, match="leads to the private address"):
        Hosts("http://radio.example/a").addresses("radio.example", 80)
    named = address.removeprefix("::ffff:")
    assert Hosts("http://radio.example/a", [named]).addresses("radio.example", 80) == [address]


def test_a_public_address_is_allowed_and_a_private_one_beside_it_left_out(monkeypatch):
    answer = [(None, None, None, "", (address, 80)) for address in ("10.0.0.1", "9.9.9.9")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: answer)
    assert Hosts("http://radio.example/a").addresses("radio.example", 80) == ["9.9.9.9"]


def test_messages_tell_no_password():
    assert without_secrets("https://me:pw@a.example/b?token=1") == "https://a.example/b"


@pytest.fixture
def page():
    """A server of one page on this machine."""

    class Page(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"{self.path} {self.headers['Connection']}".encode())

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def ask(proxy, url):
    """Status and body of a request through the proxy."""
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=5)
    connection.request("GET", url)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_proxy_passes_on_to_named_hosts_only(page):
    with Proxy(Hosts(f"http://127.0.0.1:{page}/a")) as proxy:
        assert ask(proxy, f"http://127.0.0.1:{page}/a?b") == (200, "/a?b close")
        assert ask(proxy, f"http://localhost:{page}/a")[0] == 403
        assert ask(proxy, "http://127.0.0.1:1/a")[0] == 403
        assert ask(proxy, "file:///etc/passwd")[0] == 403
        assert len(proxy.refusals) == 3 and "--allow-host localhost" in proxy.refusals[0]


def test_the_proxy_opens_tunnels_for_named_protocols_only(page):
    for protocols, status in (((), 403), (("https",), 200)):
        with Proxy(Hosts(f"http://127.0.0.1:{page}/a", (), protocols)) as proxy:
            connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=5)
            connection.set_tunnel("127.0.0.1", page)
            if status == 403:
                with pytest.raises(OSError, match="403"):
                    connection.connect()
                assert "--allow-protocol https" in proxy.refusals[0]
                continue
            connection.request("GET", "/through")
            assert connection.getresponse().read().startswith(b"/through")
