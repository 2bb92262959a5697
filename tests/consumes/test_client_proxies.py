"""Which proxy leads where, and whom to trust: what the environment says."""

from pathlib import Path

import pytest

from naftiko_run.consumes.proxies import Proxies, trusted_roots
from naftiko_run.errors import NaftikoError
from tests.consumes import upstreams

P, Q = "http://p:1", "http://q:2"


@pytest.mark.parametrize(
    ("environ", "scheme", "proxy"),
    [
        ({}, "http", None),
        ({"HTTP_PROXY": P}, "http", P),
        ({"HTTP_PROXY": P}, "https", None),
        ({"HTTPS_PROXY": P}, "https", P),
        ({"ALL_PROXY": P}, "https", P),
        ({"ALL_PROXY": P, "https_proxy": Q}, "https", Q),
        ({"http_proxy": P, "HTTP_PROXY": Q}, "http", P),
        ({"http_proxy": "", "HTTP_PROXY": Q}, "http", Q),
        ({"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, "http", None),
        ({"http_proxy": P, "REQUEST_METHOD": "GET"}, "http", P),
        ({"HTTP_PROXY": " p:1 "}, "http", P),
        ({"HTTP_PROXY": "SOCKS5://p:1"}, "http", "socks5://p:1"),
    ],
)
def test_a_proxy_is_chosen_by_the_scheme(
    environ: dict[str, str], scheme: str, proxy: str | None
) -> None:
    assert Proxies.from_environ(environ).find(scheme, "api.test") == proxy


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("", "localhost", False),
        ("*", "api.test", True),
        ("api.test", "api.test", True),
        ("API.test", "api.TEST", True),
        ("api.test", "v1.api.test", True),
        (".api.test", "v1.api.test", True),
        (".api.test", "api.test", True),
        ("api.test", "myapi.test", False),
        ("api.test", "api.test.evil", False),
        ("a.test, api.test", "api.test.", True),
        ("a.test api.test", "api.test", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.0/8", "127.1.2.3", True),
        ("10.0.0.0/8", "127.0.0.1", False),
        ("10.0.0.0/8", "api.test", False),
        ("::1", "[::1]", True),
        ("[::1]", "[::1]", True),
        ("fe80::/10", "[fe80::1]", True),
        ("0.0.1", "127.0.0.1", False),
        (".", "api.test", False),
        ("localhost", "127.0.0.1", False),
    ],
)
def test_exceptions_are_names_with_what_is_below_and_networks(
    no_proxy: str, host: str, *, direct: bool
) -> None:
    proxies = Proxies.from_environ({"ALL_PROXY": P, "NO_PROXY": no_proxy})
    assert (proxies.find("https", host) is None) == direct


def test_a_proxys_password_is_not_printed() -> None:
    proxies = Proxies.from_environ({"HTTP_PROXY": "http://me:s3cret@p", "NO_PROXY": "a"})
    assert repr(proxies) == "Proxies(exceptions=('a',))"


def test_certificates_of_a_file_and_of_folders_are_read_once_each(tmp_path: Path) -> None:
    folders = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        upstreams.authority(tmp_path / name)
        folders.append(str(tmp_path / name))
    environ = {"SSL_CERT_FILE": f"{folders[0]}/authority.pem", "SSL_CERT_DIR": ":".join(folders)}
    roots = trusted_roots(environ)
    # Per folder the authority and the certificate that it signed.
    assert len(roots) == len(set(roots)) == 4
    assert all(root.startswith("-----BEGIN CERTIFICATE-----\n") for root in roots)


def test_the_system_is_trusted_where_the_environment_names_nobody() -> None:
    assert trusted_roots({"SSL_CERT_FILE": ""}) == ()


def test_a_file_without_certificates(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_bytes(b"\xff nothing")
    with pytest.raises(NaftikoError) as caught:
        trusted_roots({"SSL_CERT_FILE": str(tmp_path / "empty.pem")})
    assert str(caught.value) == "SSL_CERT_FILE and SSL_CERT_DIR name no file with a PEM certificate"
