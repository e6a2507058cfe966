"""Which hosts and protocols a stream may use: those that the user names, and no others."""

import ipaddress
import socket
import urllib.parse
from collections.abc import Iterable

from hrin_plugin.text import shown

#: Protocols of streams, with their standard ports.
PROTOCOLS = {"http": 80, "https": 443, "rtmp": 1935, "rtmps": 443}

#: Longest that a connection takes to be made, in seconds.
CONNECT_S = 10.0


class Refused(Exception):
    """Raised for a host or a protocol that the user did not name.

    Example
    -------
    >>> str(Refused("other.example:80 is not named"))
    'other.example:80 is not named'
    """


class Hosts:
    """The hosts that a stream may use, each with its ports.

    The host of the address is allowed on its own port, and on the standard ports of all allowed protocols;
    so are further hosts that are named without a port. A name that leads to a private address, such as one
    of this machine, is refused, unless that address is named too.

    Arguments
    ---------
    url : str
        Address of the stream.
    hosts : iterable of str
        Further hosts, ``HOST`` or ``HOST:PORT``.
    protocols : iterable of str
        Further protocols, of :data:`PROTOCOLS`.

    Raises
    ------
    ValueError
        If the address or a host cannot be used.

    Example
    -------
    >>> hosts = Hosts("http://radio.example:8000/oe1", ["cdn.example"], ["https"])
    >>> hosts.allows("radio.example", 8000), hosts.allows("cdn.example", 443), hosts.allows("a.example", 80)
    (True, True, False)
    """

    def __init__(self, url: str, hosts: Iterable[str] = (), protocols: Iterable[str] = ()):
        self.url = url
        parts = _split(url)
        #: The protocols that may be used.
        self.protocols = frozenset((parts.scheme, *protocols))
        unknown = sorted(self.protocols - PROTOCOLS.keys())
        if unknown:
            problem = f"protocol {shown(unknown[0])} is not known"
            raise ValueError(f"{problem}; give one of {', '.join(PROTOCOLS)}")
        standard = {PROTOCOLS[protocol] for protocol in self.protocols}
        #: Host and port of the address itself.
        self.host, self.port = _plain(parts.hostname), parts.port or PROTOCOLS[parts.scheme]
        self._ports = {self.host: {self.port} | standard}
        for named in hosts:
            host, port = _host_and_port(named)
            self._ports.setdefault(host, set()).update({port} if port else standard)

    def allows(self, host: str, port: int) -> bool:
        """Whether a host may be used on a port; where its name leads is not looked at."""
        return port in self._ports.get(_plain(host), ())

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of an allowed host.

        Arguments
        ---------
        host : str
            Name or address.
        port : int
            Port.

        Returns
        -------
        list of str
            IP addresses that may be connected to.

        Raises
        ------
        Refused
            If the host is not named, or its name leads to a private address only.
        OSError
            If it cannot be looked up.

        Example
        -------
        >>> Hosts("http://127.0.0.1:8000/a").addresses("127.0.0.1", 8000)
        ['127.0.0.1']
        >>> Hosts("http://127.0.0.1:8000/a").addresses("127.0.0.1", 22)
        Traceback (most recent call last):
        ...
        hrin_plugin.live.hosts.Refused: the stream leads to 127.0.0.1:22, which is not named; ...
        """
        if not self.allows(host, port):
            place = f"{host}:{port}"
            raise Refused(
                f"the stream leads to {shown(place)}, which is not named; if it is the station's, give "
                f"--allow-host {place}"
            )
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(each[4][0] for each in found))
        allowed = [address for address in addresses if self._may_be_reached(host, address)]
        if not allowed:
            raise Refused(
                f"{shown(host)} leads to the private address {addresses[0]}; if that is right, give "
                f"--allow-host {addresses[0]}"
            )
        return allowed

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection to an allowed host; raises as :meth:`addresses`.

        Example
        -------
        >>> Hosts("http://radio.example/a").connect("other.example", 80)
        Traceback (most recent call last):
        ...
        hrin_plugin.live.hosts.Refused: the stream leads to other.example:80, which is not named; ...
        """
        problem = OSError(f"{host} has no address")
        for address in self.addresses(host, port):
            try:  # the address that was checked, whatever the name leads to by now
                return socket.create_connection((address, port), CONNECT_S)
            except OSError as error:
                problem = error
        raise problem

    def _may_be_reached(self, host, address):
        """Whether an address is public, or named."""
        ip = ipaddress.ip_address(address.partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        named = {_plain(host), str(ip)} & self._ports.keys()
        is_literal = str(ip) in named or (ip.is_loopback and _plain(host) == "localhost")
        return ip.is_global or is_literal


def without_secrets(url: str) -> str:
    """An address without user, password and query, for messages and records.

    Example
    -------
    >>> without_secrets("http://me:secret@radio.example:8000/oe1?key=5")
    'http://radio.example:8000/oe1'
    """
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _split(url):
    """The parts of an address; refuses what is none."""
    try:
        parts = urllib.parse.urlsplit(url)
        good = parts.scheme in PROTOCOLS and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or any(sign in url for sign in " \r\n\t\0"):
        choices = ", ".join(f"{protocol}://" for protocol in PROTOCOLS)
        problem = f"--live {shown(url)}: is not the address of a stream"
        raise ValueError(f"{problem}; give one that begins with one of {choices}")
    return parts


def _host_and_port(named):
    """Host and port or None of ``HOST`` or ``HOST:PORT``."""
    try:
        if named.count(":") > 1 and not named.startswith("["):
            return str(ipaddress.ip_address(named)), None
        parts = urllib.parse.urlsplit(f"//{named}")
        if parts.hostname and parts.netloc == named and parts.port != 0 and not parts.username:
            return _plain(parts.hostname), parts.port
    except ValueError:
        pass
    raise ValueError(f"--allow-host {shown(named)}: is not a host; give HOST or HOST:PORT")


def _plain(host):
    """A host's name in one form."""
    return host.lower().rstrip(".").strip("[]")
