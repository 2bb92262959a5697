"""Whom TLS trusts, the same for every engine that uses Python's own."""

import functools
import ssl


@functools.cache
def trusting(roots: tuple[str, ...]) -> ssl.SSLContext:
    """Trust these PEM certificates, or the system's where there are none."""
    context = _context(roots)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _context(roots: tuple[str, ...]) -> ssl.SSLContext:
    if not roots:
        # Rarely needed where the default engine is used, and 50 ms of every start.
        import httpx2  # noqa: PLC0415

        return httpx2.create_ssl_context(trust_env=False)
    # Not create_default_context: from Python 3.13 on it refuses the certificates that many private
    # authorities make (VERIFY_X509_STRICT), which the default engine accepts.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata="\n".join(roots))
    return context
