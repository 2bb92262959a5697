"""The sentences for what goes wrong upstream: host and port, never a query, a header or a body."""

import socket
import ssl
from collections.abc import Iterator

from naftiko_run.consumes.engines.coding import BodyError, TooLargeError, TruncatedError
from naftiko_run.consumes.engines.urls import place
from naftiko_run.errors import (
    UnreadableReply,
    UpstreamError,
    UpstreamReset,
    UpstreamTimeout,
    UpstreamUnreachable,
)


def unreachable(url: str, why: str, proxy: str | None = None) -> UpstreamUnreachable:
    """Nothing was sent, because no connection could be made."""
    through = f" through the proxy {place(proxy)}" if proxy else ""
    return UpstreamUnreachable(f"cannot connect to {place(url)}{through}: {why}")


def connect_timeout(url: str, seconds: float) -> UpstreamTimeout:
    """Nothing was sent, because connecting took too long."""
    return UpstreamTimeout(f"no connection to {place(url)} within {seconds:g} seconds")


def timeout(url: str, seconds: float) -> UpstreamTimeout:
    """The reply was not complete in time."""
    return UpstreamTimeout(f"{place(url)} gave no complete reply within {seconds:g} seconds")


def silent(url: str, seconds: float) -> UpstreamTimeout:
    """Nothing came of a reply that is passed on as it comes, or nothing of the request went."""
    return UpstreamTimeout(f"{place(url)} was silent for {seconds:g} seconds")


def reset(url: str) -> UpstreamReset:
    """The connection broke while the upstream may have been at work."""
    return UpstreamReset(
        f"{place(url)} broke the connection before its reply was complete;"
        " the request may have been carried out and is not sent again"
    )


def too_large(url: str, limit: int) -> UnreadableReply:
    """The reply is over the limit."""
    return UnreadableReply(f"the reply of {place(url)} is larger than {limit} bytes")


def cut_short(url: str) -> UnreadableReply:
    """The reply ended before the end that it announced."""
    return UnreadableReply(f"the reply of {place(url)} ends before it is complete")


def not_http(url: str) -> UnreadableReply:
    """What came is no HTTP."""
    return UnreadableReply(f"the reply of {place(url)} is not valid HTTP")


def bad_coding(url: str) -> UnreadableReply:
    """The content coding of the reply is broken or unknown."""
    return UnreadableReply(f"the reply of {place(url)} is compressed in a way that cannot be read")


def of_body(url: str, error: BodyError, limit: int) -> UnreadableReply:
    """The sentence for a body that was given up."""
    match error:
        case TooLargeError():
            return too_large(url, limit)
        case TruncatedError():
            return cut_short(url)
    return bad_coding(url)


def unsendable(url: str) -> UpstreamError:
    """The request itself cannot be written as HTTP; nothing was sent."""
    return UpstreamError(
        f"the request to {place(url)} cannot be sent: its method, URL or a header is not valid HTTP"
    )


def given_up(url: str, why: str) -> UpstreamError:
    """The call ended from this side."""
    return UpstreamError(f"the call to {place(url)} was given up: {why}")


def why(error: BaseException) -> str:
    """Say why there is no connection."""
    for cause in causes(error):
        match cause:
            case socket.gaierror():
                return "the name is not known"
            case ConnectionRefusedError():
                return "the connection is refused"
            case ssl.SSLCertVerificationError():
                return f"no trusted TLS connection ({cause.verify_message})"
            case ssl.SSLError():
                return f"no trusted TLS connection ({cause.reason})"
    return str(error)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error, and what it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
