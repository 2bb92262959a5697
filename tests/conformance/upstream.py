"""The upstream of the conformance fixtures: a text, an image, a sound, a file, and a failure."""

import base64
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""

SILENCE = base64.b64decode("UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA==")
"""A WAV of one sample."""

REPLIES: Mapping[str, tuple[int, str, bytes]] = {
    "/text": (200, "text/plain", b"This is a simple text response for testing."),
    "/image": (200, "image/png", PIXEL),
    "/audio": (200, "audio/wav", SILENCE),
    "/file": (200, "application/octet-stream", b"\xff\xfeThis is an embedded resource content."),
    "/error": (500, "text/plain", b"This tool intentionally returns an error for testing"),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status, media_type, body = REPLIES.get(self.path, (404, "text/plain", b"nothing here"))
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_given: object) -> None:
        pass


@contextmanager
def running_upstream() -> Iterator[str]:
    """Serve, and give the base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
