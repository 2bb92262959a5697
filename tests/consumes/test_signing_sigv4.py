"""AWS's own test suite, and generated requests against botocore's signer."""

import calendar
import gzip
import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import botocore  # type: ignore[import-untyped]
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from naftiko_run.consumes.signing.aws_hosts import scope_of
from naftiko_run.consumes.signing.sigv4 import Keys, canonical_request, signed
from naftiko_run.types import Request

SUITE = json.loads((Path(__file__).parent / "signing_vectors/aws4_testsuite.json").read_text())
FORMAT = "%Y%m%dT%H%M%SZ"


def _header(request: Request, name: str) -> str | None:
    return dict(request.headers).get(name)


@pytest.mark.parametrize("case", SUITE["cases"], ids=lambda case: case["name"])
def test_every_case_of_the_aws_test_suite(case: dict[str, Any]) -> None:
    headers = dict(case["headers"])
    token = re.search(r"^x-amz-security-token:(.*)$", case["canonical"], re.MULTILINE)
    keys = Keys(SUITE["access_key"], SUITE["secret_key"], token and token[1])
    request = Request(
        case["method"],
        f"https://{headers['Host']}{case['target']}",
        tuple((name, value) for name, value in case["headers"]),
        case["body"].encode() or None,
    )
    moment = calendar.timegm(time.strptime(headers["X-Amz-Date"], FORMAT))
    answer = signed(request, keys, SUITE["region"], SUITE["service"], moment)
    assert canonical_request(answer, SUITE["service"])[0] == case["canonical"]
    assert _header(answer, "Authorization") == case["authorization"]
    assert (answer.url, answer.body) == (request.url, request.body)


_text = st.text(st.characters(codec="utf-8", exclude_characters="/"), max_size=6)
_encoded = _text.map(lambda text: quote(text, safe=""))
_paths = st.lists(st.one_of(_encoded, st.sampled_from([".", "..", "", "a.b", "x:@y"])), max_size=5)
_queries = st.lists(st.tuples(_encoded, _encoded), max_size=5)
_words = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
_headers = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "X-Amz-Target", "Accept", "x-custom", "User-Agent", "TE", "X-Amz-Meta-A"]
    ),
    _words.filter(str.strip),
)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]),
    host=st.sampled_from(
        ["ce.us-east-1.amazonaws.com", "CE.Example:8443", "h.example:443", "[::1]:9"]
    ),
    path=_paths,
    query=_queries,
    headers=_headers,
    body=st.none() | st.binary(max_size=40),
    token=st.none() | st.just("AQoDYXdzEPT//wEXAMPLE=="),
    service=st.sampled_from(["ce", "s3"]),
)
def test_every_request_is_signed_as_botocore_signs_it(
    method: str,
    host: str,
    path: list[str],
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes | None,
    token: str | None,
    service: str,
) -> None:
    if service == "s3":  # botocore signs the path of an object as it is written
        path = [segment.replace(":@", "") for segment in path]
    url = f"https://{host}/{'/'.join(path)}"
    url += "?" + "&".join(f"{n}={v}" for n, v in query) if query else ""
    theirs = AWSRequest(method, url, headers=dict(headers), data=body or b"")
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials("AKID", "secret/key", token), service, "eu-west-1").add_auth(theirs)
    moment = calendar.timegm(time.strptime(theirs.headers["X-Amz-Date"], FORMAT))

    request = Request(method, url, tuple(headers.items()), body)
    ours = signed(request, Keys("AKID", "secret/key", token), "eu-west-1", service, moment)
    assert dict(ours.headers) == dict(theirs.headers.items())
    assert (ours.method, ours.url, ours.body) == (method, url, body)


def test_a_signature_that_is_already_there_is_replaced() -> None:
    stale = (("authorization", "Basic eA=="), ("x-amz-date", "20000101T000000Z"))
    request = Request("GET", "https://ce.us-east-1.amazonaws.com/", stale)
    ours = signed(request, Keys("AKID", "secret"), "us-east-1", "ce", 1440938160)
    names = [name.lower() for name, _ in ours.headers]
    assert names == ["x-amz-date", "authorization"]
    assert _header(ours, "X-Amz-Date") == "20150830T123600Z"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [("q=a+b", "q=a%20b"), ("q=a:b,c", "q=a%3Ab%2Cc"), ("q=%c3%a9", "q=%C3%A9"), ("q", "q=")],
)
def test_the_query_is_signed_in_the_form_that_aws_derives_from_it(
    written: str, canonical: str
) -> None:
    request = Request("GET", f"https://ce.us-east-1.amazonaws.com/?{written}")
    assert canonical_request(request, "ce")[0].splitlines()[2] == canonical


@pytest.mark.parametrize(
    ("host", "service", "region"),
    [
        ("ce.us-east-1.amazonaws.com", "ce", "us-east-1"),
        ("api.ecr.eu-central-1.amazonaws.com", "ecr", "eu-central-1"),
        ("email.us-west-2.amazonaws.com", "ses", "us-west-2"),
        ("entitlement.marketplace.us-east-1.amazonaws.com", "aws-marketplace", "us-east-1"),
        ("abc123.execute-api.ap-southeast-2.amazonaws.com", "execute-api", "ap-southeast-2"),
        ("search-logs-xyz.us-east-1.es.amazonaws.com", "es", "us-east-1"),
        ("vpce-0f.sqs.us-east-1.vpce.amazonaws.com", "sqs", "us-east-1"),
        ("x.lambda-url.us-east-1.on.aws", "lambda", "us-east-1"),
        ("bucket.with.dots.s3.eu-west-3.amazonaws.com", "s3", "eu-west-3"),
        ("my-bucket.s3-eu-west-1.amazonaws.com", "s3", "eu-west-1"),
        ("s3.dualstack.us-west-2.amazonaws.com", "s3", "us-west-2"),
        ("s3.amazonaws.com", "s3", "us-east-1"),
        ("IAM.amazonaws.com", "iam", "us-east-1"),
        ("kms-fips.us-gov-west-1.amazonaws.com", "kms", "us-gov-west-1"),
        ("ec2.cn-north-1.amazonaws.com.cn", "ec2", "cn-north-1"),
        ("iam.amazonaws.com.cn", "iam", None),
        ("us-east-1.amazonaws.com", None, "us-east-1"),
        ("localhost", None, None),
        ("amazonaws.com.example.org", None, None),
        ("evilamazonaws.com", None, None),
    ],
)
def test_a_host_tells_its_service_and_region(
    host: str, service: str | None, region: str | None
) -> None:
    assert scope_of(host) == (service, region)


def test_every_service_that_botocore_knows_has_its_signing_name() -> None:
    wrong = {}
    for file in sorted((Path(botocore.__file__).parent / "data").glob("*/*/service-2.json.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as text:
            head = text.read(4000)
        prefix = re.search(r'"endpointPrefix"\s*:\s*"([^"]+)"', head)
        name = re.search(r'"signingName"\s*:\s*"([^"]+)"', head) or prefix
        assert prefix
        assert name
        told = scope_of(f"{prefix[1]}.us-east-1.amazonaws.com")
        if told != (name[1], "us-east-1"):
            wrong[prefix[1]] = (name[1], told)
    assert wrong == {}
