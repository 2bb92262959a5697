"""The end of a listening socket, so that nobody who was let in is turned away.

A connection that the system has completed and that nobody accepts is reset when the socket closes;
and between the last accept and the close there is always a moment. Where the system can leave out
what asks for a new connection, it is told to, before the last are accepted: who comes then asks
again by itself a second later, and is refused in order.
"""

import asyncio
import contextlib
import socket
import struct
import sys
from typing import Final

_SO_ATTACH_FILTER: Final = 26
_SETTLE_SECONDS: Final = 0.01
"""How long connections may take that are half made; also for the loop to let go of the socket."""

_NO_NEW_CONNECTION: Final = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte of flags, the fourteenth of a TCP header
        (0x45, 0, 1, 0x02),  # unless SYN is among them, go to the last
        (0x06, 0, 0, 0),  # take nothing of the packet
        (0x06, 0, 0, 0xFFFFFFFF),  # take it whole
    )
)
"""A classic BPF program (linux/filter.h): packets that ask for a connection are dropped."""


async def accept_last(listening: socket.socket) -> list[socket.socket]:
    """Close a listening socket; give the connections that were complete until then.

    Nothing else may accept on it, or on a copy of it, from now on.
    """
    last: list[socket.socket] = []
    with listening, contextlib.suppress(OSError):
        if not _turn_away(listening):
            listening.listen(0)
        await asyncio.sleep(_SETTLE_SECONDS)
        # Nothing may stand between the last accept and the close: without a filter, who comes in
        # between is reset.
        while True:
            # Who left again while waiting is an error on some systems; others wait behind.
            with contextlib.suppress(ConnectionAbortedError):
                last.append(listening.accept()[0])
    return last


def _turn_away(listening: socket.socket) -> bool:
    """Leave out what asks for a new connection; False where the system has no such filter."""
    if sys.platform != "linux":
        return False
    try:
        import ctypes  # noqa: PLC0415 - a server stops once, and most of them much later
    except (ImportError, OSError):  # without a descriptor left, no file is read
        return False
    program = ctypes.create_string_buffer(_NO_NEW_CONNECTION, len(_NO_NEW_CONNECTION))
    told = struct.pack("HP", len(_NO_NEW_CONNECTION) // 8, ctypes.addressof(program))
    try:
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, told)
    except OSError:
        return False
    return True
