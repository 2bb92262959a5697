"""Upstreams on real sockets, behaving and misbehaving, for the tests of the client.

A behaviour is what an upstream does with one connection::

    async with upstream(answer(ok(b"{}"))) as api:
        reply = await client.send(Request("GET", f"{api.url}/x"))
    assert api.requests == [...]
"""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Received:
    """One request as it came."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Upstream:
    """What a test sees of an upstream."""

    port: int
    scheme: str
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    sent: int = 0
    """Bytes that the sockets took so far."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a request has come."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    async def closed(self) -> None:
        """Wait until the client has closed every connection."""
        while self.open:
            self._changed.clear()
            await self._changed.wait()

    def note(self, request: Received) -> None:
        self.requests.append(request)
        self.asked.set()

    def count(self, change: int) -> None:
        self.connections += change > 0
        self.open += change
        self._changed.set()


class Connection:
    """One accepted connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: Upstream
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.upstream = upstream

    async def request(self) -> Received:
        """Read one whole request and note it."""
        line, *fields = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = [(name, value.strip()) for name, _, value in (f.partition(":") for f in fields)]
        received = Received(line, headers, b"")
        for length in received.header("content-length"):
            received.body = await self.reader.readexactly(int(length))
        self.upstream.note(received)
        return received

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.upstream.sent += len(data)

    async def hang(self) -> None:
        """Do nothing until the client hangs up."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Connection], Awaitable[None]]


@contextlib.asynccontextmanager
async def upstream(
    behaviour: Behaviour, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Upstream]:
    """Serve a behaviour on a free port of the loopback interface."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        api.count(1)
        try:
            await behaviour(Connection(reader, writer, api))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            api.count(-1)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(connected(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        # A task that is cancelled before its first step never comes to close anything.
        task.add_done_callback(lambda _: writer.close())

    server = await asyncio.start_server(
        accept, "127.0.0.1", 0, ssl=tls, ssl_shutdown_timeout=0.1 if tls else None
    )
    api = Upstream(server.sockets[0].getsockname()[1], "https" if tls else "http")
    try:
        yield api
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


# --------------------------------------------------------------------------------- behaviours


def ok(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Write a plain reply."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def answer(reply: bytes) -> Behaviour:
    """Give the same bytes for every request, on a connection that stays open."""

    async def behave(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.send(reply)

    return behave


def answer_and_close(reply: bytes) -> Behaviour:
    """Give these bytes for the first request and close."""

    async def behave(connection: Connection) -> None:
        await connection.request()
        await connection.send(reply)

    return behave


def answer_and_reset(reply: bytes) -> Behaviour:
    """Give these bytes for the first request and break the connection."""

    async def behave(connection: Connection) -> None:
        await connection.request()
        await connection.send(reply)
        # The client reads what was sent before it meets the break.
        await asyncio.sleep(0.05)
        connection.reset()

    return behave


def answer_and_hang(reply: bytes) -> Behaviour:
    """Give these bytes for the first request and nothing more."""

    async def behave(connection: Connection) -> None:
        await connection.request()
        await connection.send(reply)
        await connection.hang()

    return behave


def drip(reply: bytes, every: float) -> Behaviour:
    """Give a reply one byte at a time."""

    async def behave(connection: Connection) -> None:
        await connection.request()
        for byte in reply:
            await connection.send(bytes([byte]))
            await asyncio.sleep(every)

    return behave


def endless(head: bytes, piece: bytes) -> Behaviour:
    """Give a head, and then the same piece without end."""

    async def behave(connection: Connection) -> None:
        await connection.request()
        await connection.send(head)
        while True:
            await connection.send(piece)

    return behave


def three_events(head: bytes, more: asyncio.Event) -> Behaviour:
    """Give three events in chunks, each after the first when ``more`` is set."""

    async def behave(connection: Connection) -> None:
        await connection.request()
        await connection.send(head)
        for number in range(3):
            await connection.send(b"8\r\ndata: %d\n\r\n" % number)
            await more.wait()
            more.clear()
        await connection.send(b"0\r\n\r\n")
        await connection.hang()

    return behave


async def echo(connection: Connection) -> None:
    """Give back each request's body."""
    while True:
        received = await connection.request()
        await connection.send(ok(received.body))


def proxy(*, refuse: bytes = b"") -> Behaviour:
    """Forward or tunnel to wherever the request says; ``refuse`` is said instead."""

    async def behave(connection: Connection) -> None:
        received = await connection.request()
        if refuse:
            await connection.send(refuse)
        elif received.line.startswith("CONNECT "):
            host, _, port = received.target.rpartition(":")
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            try:
                await connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await asyncio.gather(
                    _pump(connection.reader, far_writer), _pump(far_reader, connection.writer)
                )
            finally:
                far_writer.close()
                with contextlib.suppress(OSError):
                    await far_writer.wait_closed()
        else:
            await connection.send(ok(received.line.encode()))

    return behave


def socks(port: int) -> Behaviour:
    """Be a SOCKS5 proxy (RFC 1928) that leads everybody to one port, whatever they ask for."""

    async def behave(connection: Connection) -> None:
        _, methods = await connection.reader.readexactly(2)
        await connection.reader.readexactly(methods)
        await connection.send(b"\x05\x00")
        *_, kind, length = await connection.reader.readexactly(5)
        # 3 is a name, 1 an address of four bytes; the first of them is read already.
        await connection.reader.readexactly((length if kind == 3 else 3) + 2)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await connection.send(b"\x05\x00\x00\x01" + bytes(6))
            await asyncio.gather(
                _pump(connection.reader, far_writer), _pump(far_reader, connection.writer)
            )
        finally:
            far_writer.close()

    return behave


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


# ----------------------------------------------------------------------------------------- TLS


@dataclass
class Authority:
    """A certificate authority that nobody trusts unless told to."""

    file: Path
    """Its certificate, for ``SSL_CERT_FILE``."""
    tls: ssl.SSLContext
    """For an upstream named ``localhost`` whose certificate it has signed."""


def authority(folder: Path, host: str = "localhost") -> Authority:
    """Make an authority and a certificate for a host."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    root = (
        _certificate(root_name, root_key.public_key(), root_name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    leaf = (
        _certificate(name, key.public_key(), root_name)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
            ),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    chain = folder / "leaf.pem"
    chain.write_bytes(
        leaf.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(chain)
    file = folder / "authority.pem"
    file.write_bytes(b"Comments may surround it.\n" + root.public_bytes(pem))
    return Authority(file, tls)


def _certificate(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )
