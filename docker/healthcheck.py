"""Exit 0 when everything that this container serves answers GET /healthz with 200.

Which addresses those are depends on the mounted capabilities, so they are read from the kernel:
the listening sockets that the processes of this container hold. What listens on the loopback
interface only, as an embedded sandbox does, is nobody's service.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

LISTENING = "0A"  # as the kernel writes it in /proc/net/tcp


def held() -> Iterator[str]:
    """Name the sockets that are open in the processes of this user."""
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # closed meanwhile
            yield str(descriptor.readlink())


def listeners() -> Iterator[tuple[str, int]]:
    """Find the addresses and ports that these sockets offer to other machines."""
    sockets = set(held())
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, _, _, _, _, _, inode = line.split()[:10]
            host, port = local.split(":")
            address = parse(host)
            if state == LISTENING and f"socket:[{inode}]" in sockets and not address.is_loopback:
                yield reachable(address), int(port, 16)


def parse(words: str) -> IPv4Address | IPv6Address:
    """Read the kernel's 32-bit words, which are in the byte order of the machine."""
    numbers = [int(words[at : at + 8], 16) for at in range(0, len(words), 8)]
    return ip_address(b"".join(number.to_bytes(4, sys.byteorder) for number in numbers))


def reachable(address: IPv4Address | IPv6Address) -> str:
    """Name an address to connect to, where the kernel says "any"."""
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return str(address)


def main() -> int:
    """Ask each listener once, directly: a proxy of the environment is for upstreams."""
    found = set(listeners())
    for address, port in found:
        connection = HTTPConnection(address, port, timeout=3)
        connection.request("GET", "/healthz", headers={"Host": f"localhost:{port}"})
        if connection.getresponse().status != 200:
            return 1
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
