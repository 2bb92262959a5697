"""The Legacy Dockyard: vessels as XML, for callers with its key in ``X-Dock-Key``."""

from xml.etree import ElementTree as ET

from tests.e2e.upstream import Received, Reply
from tests.upstreams.answers import header, path, query, same

KEY = "dummy-dockyard-key"

VESSELS: list[dict[str, str]] = [
    {
        "vesselCode": "LEGACY-4012",
        "vesselName": "Old Faithful",
        "category": "cargo",
        "flagState": "GB",
        "operationalStatus": "active",
    },
    {
        "vesselCode": "LEGACY-2087",
        "vesselName": "Iron Maiden",
        "category": "bulk_carrier",
        "flagState": "PA",
        "operationalStatus": "laid_up",
    },
]


def answer(received: Received) -> Reply:
    """Answer as the dockyard does."""
    if not same(header(received, "X-Dock-Key"), KEY):
        return _error(401, "A valid X-Dock-Key is required")
    if (received.method, path(received)) != ("GET", ["vessels"]):
        return _error(404, "There are only vessels")
    status = query(received, "status")
    vessels = ET.Element("vessels")
    for vessel in VESSELS:
        if status in (None, vessel["operationalStatus"]):
            element = ET.SubElement(vessels, "vessel")
            for name, text in vessel.items():
                ET.SubElement(element, name).text = text
    return _xml(200, vessels)


def _error(status: int, message: str) -> Reply:
    element = ET.Element("error")
    element.text = message
    return _xml(status, element)


def _xml(status: int, element: ET.Element) -> Reply:
    return Reply(status, ET.tostring(element), {"content-type": "application/xml"})
