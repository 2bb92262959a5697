"""What the host name of an AWS endpoint says about its service and region.

The service in a signature is mostly the label before the region (``ce.us-east-1``), but not
always; the exceptions are those of botocore 1.44.5, and a test holds the table against it.
"""

import re

_REGION = re.compile(r"[a-z]{2,5}(-[a-z]+)+-\d+")
_S3_WITH_REGION = re.compile(rf"(?<![^.])s3-({_REGION.pattern})(?![^.])")
# "on.aws" holds the URLs of functions, "api.aws" the endpoints with IPv6.
_DOMAINS = ("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws", "on.aws")

_SIGNING_NAMES = {
    "account-access-runtime": "account-access",
    "agent-registry-control": "agent-registry",
    "agreement-marketplace": "aws-marketplace",
    "api.tunneling.iot": "IoTSecuredTunneling",
    "appconfigdata": "appconfig",
    "appstream2": "appstream",
    "bedrock-agent": "bedrock",
    "bedrock-agent-runtime": "bedrock",
    "bedrock-agentcore-control": "bedrock-agentcore",
    "bedrock-data-automation": "bedrock",
    "bedrock-data-automation-runtime": "bedrock",
    "bedrock-runtime": "bedrock",
    "cassandra-streams": "cassandra",
    "cloudhsmv2": "cloudhsm",
    "cloudsearchdomain": "cloudsearch",
    "cloudwatch-omni": "cloudwatch",
    "contact-lens": "connect",
    "data-ats.iot": "iotdata",
    "data-signer": "signer",
    "data.jobs.iot": "iot-jobs-data",
    "deployment-marketplace": "aws-marketplace",
    "discovery-marketplace": "aws-marketplace",
    "email": "ses",
    "eventsv2": "events",
    "forecastquery": "forecast",
    "iam-toolbox": "iam",
    "identity-chime": "chime",
    "ivsrealtime": "ivs",
    "lambda-url": "lambda",
    "mail-manager": "ses",
    "marketplace": "aws-marketplace",
    "media-pipelines-chime": "chime",
    "meetings-chime": "chime",
    "memory-db": "memorydb",
    "messaging-chime": "chime",
    "migrationhub-config": "mgh",
    "models-v2-lex": "lex",
    "oidc": "sso-oauth",
    "participant.connect": "execute-api",
    "partnercentral-prm": "partnercentral",
    "personalize-events": "personalize",
    "personalize-runtime": "personalize",
    "pinpoint": "mobiletargeting",
    "portal.sso": "awsssoportal",
    "queue": "sqs",
    "reporting-marketplace": "aws-marketplace",
    "runtime-v2-lex": "lex",
    "s3-accesspoint": "s3",
    "s3-control": "s3",
    "servicecatalog-appregistry": "servicecatalog",
    "sms-voice.pinpoint": "sms-voice",
    "voice-chime": "chime",
}


def scope_of(host: str) -> tuple[str | None, str | None]:
    """Return the signing name of the service and its region, ``None`` where the host is silent."""
    labels, domain = _labels(host.lower().rstrip("."))
    at = next((i for i, label in reversed(list(enumerate(labels))) if _REGION.fullmatch(label)), -1)
    if at < 0:
        # Services without regions (IAM, CloudFront, Route 53) are signed for this one.
        return _signing_name(labels), "us-east-1" if domain == "amazonaws.com" else None
    behind = [label for label in labels[at + 1 :] if label != "vpce"]  # search-x.us-east-1.es
    return _signing_name(behind or labels[:at]), labels[at]


def _labels(host: str) -> tuple[list[str], str]:
    for domain in _DOMAINS:
        if host.endswith(f".{domain}"):
            name = host.removesuffix(f".{domain}")
            labels = _S3_WITH_REGION.sub(r"s3.\1", name).split(".")
            plain = (label.removesuffix("-fips") for label in labels)
            return [label for label in plain if label not in {"dualstack", "fips"}], domain
    return [], ""


def _signing_name(labels: list[str]) -> str | None:
    for start in range(len(labels)):
        if name := _SIGNING_NAMES.get(".".join(labels[start:])):
            return name
    return labels[-1] if labels else None
