"""`python -m naftiko_run.sandbox.unkey --port N`: the sandbox alone, as a process."""

import argparse
import signal
import socket
import sqlite3
import sys

import uvicorn

from naftiko_run.sandbox.unkey import ROOT_KEY, create_app


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted or terminated."""
    parser = argparse.ArgumentParser(
        prog="python -m naftiko_run.sandbox.unkey", description="Serve an offline Unkey API v2."
    )
    parser.add_argument("--port", type=int, required=True, help="0 is any free port")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--database", default=":memory:", metavar="FILE")
    parser.add_argument("--root-key", default=ROOT_KEY, metavar="KEY")
    options = parser.parse_args(arguments)
    try:
        listener = _listen(options.host, options.port)
    except OSError as error:
        sys.stderr.write(f"cannot listen on {options.host}:{options.port}: {error.strerror}\n")
        return 3
    try:
        app = create_app(database=options.database, root_key=options.root_key)
    except sqlite3.Error as error:
        listener.close()
        sys.stderr.write(f"cannot use {options.database}: {error}\n")
        return 1
    port = listener.getsockname()[1]
    host = f"[{options.host}]" if ":" in options.host else options.host
    sys.stdout.write(f"Unkey sandbox on http://{host}:{port} root key {options.root_key}\n")
    sys.stdout.flush()
    # The server stops at these, then raises them once more for whoever else listens: nobody does.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
    with listener:
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except BaseException:
        listener.close()
        raise
    return listener


if __name__ == "__main__":
    sys.exit(main())
