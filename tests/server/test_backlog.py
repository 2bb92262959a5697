"""The end of a listening socket."""

import asyncio
import errno
import socket
import sys

import pytest

from naftiko_run.server.backlog import accept_last


def listening() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0), backlog=512)
    made.setblocking(False)
    return made


def test_who_waits_is_given_and_who_comes_later_refused() -> None:
    sock = listening()
    address = sock.getsockname()
    waiting = [socket.create_connection(address) for _ in range(3)]
    last = asyncio.run(accept_last(sock))
    assert {one.getpeername() for one in last} == {one.getsockname() for one in waiting}
    for one in (*last, *waiting):
        one.close()
    with socket.socket() as late:
        assert late.connect_ex(address) == errno.ECONNREFUSED


class Reporting(socket.socket):
    """Tells first of somebody who has left, as BSD does."""

    left = 1

    def accept(self) -> tuple[socket.socket, object]:
        if self.left:
            self.left -= 1
            raise ConnectionAbortedError(errno.ECONNABORTED, "it was aborted")
        return super().accept()


def test_who_left_while_waiting_stands_in_nobodys_way() -> None:
    sock = listening()
    waiting = socket.create_connection(sock.getsockname())
    last = asyncio.run(accept_last(Reporting(fileno=sock.detach())))
    assert [one.getpeername() for one in last] == [waiting.getsockname()]
    for one in (*last, waiting):
        one.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no filter of sockets")
async def test_who_comes_while_the_last_are_accepted_is_not_let_in_but_refused() -> None:
    sock = listening()
    address = sock.getsockname()
    closing = asyncio.create_task(accept_last(sock))
    await asyncio.sleep(0)  # from now on nobody is let in
    with socket.socket() as late:
        late.setblocking(False)
        connecting = asyncio.get_running_loop().sock_connect(late, address)
        connected = asyncio.create_task(connecting)
        assert await closing == []
        with pytest.raises(ConnectionRefusedError):
            await connected
