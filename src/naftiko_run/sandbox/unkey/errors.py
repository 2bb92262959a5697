"""Every refusal the API knows, with the body it sends.

An error is raised anywhere below the application and answered there; what it carries is
exactly what the caller sees.
"""

from collections.abc import Sequence

from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.schema import Violation

_DOCS = "https://unkey.com/docs/errors/"


class ApiError(Exception):
    """A request that is refused: status, title, kind and text of the answer.

    `errors` is the list of single faults, for the statuses that have one; `negotiable` tells
    whether the answer may be `application/problem+json`.
    """

    def __init__(
        self,
        status: int,
        title: str,
        kind: str,
        detail: str,
        *,
        errors: Sequence[Json] | None = None,
        negotiable: bool = True,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.negotiable = negotiable

    def body(self) -> dict[str, Json]:
        """Give the `error` member of the answer."""
        body: dict[str, Json] = {
            "detail": self.detail,
            "status": self.status,
            "title": self.title,
            "type": _DOCS + self.kind,
        }
        if self.errors is not None:
            body["errors"] = list(self.errors)
        return body


def invalid(detail: str, location: str, message: str, fix: str | None = None) -> ApiError:
    """Refuse a request before the caller is known, for one reason."""
    fault = {"location": location, "message": message}
    if fix is not None:
        fault["fix"] = fix
    return _invalid(detail, [fault])


def violates_schema(path: str, violations: Sequence[Violation]) -> ApiError:
    """Refuse a body that its schema does not allow."""
    faults = [{"location": each.location, "message": each.message} for each in violations]
    return _invalid(schema_detail(path), faults)


def schema_detail(path: str) -> str:
    """Give the text that every refused body shares."""
    return f"POST request body for '{path}' failed to validate schema"


def _invalid(detail: str, faults: Sequence[Json]) -> ApiError:
    return ApiError(
        400,
        "Bad Request",
        "unkey/application/invalid_input",
        detail,
        errors=faults,
        negotiable=False,
    )


def bad_request(detail: str, kind: str = "unkey/application/invalid_input") -> ApiError:
    """Refuse what the schema allows and the operation does not."""
    return ApiError(400, "Bad Request", kind, detail, errors=[])


def unauthorized(detail: str) -> ApiError:
    """Refuse a root key that does not exist."""
    return ApiError(401, "Unauthorized", "unkey/authentication/key_not_found", detail)


def forbidden(title: str, kind: str, detail: str) -> ApiError:
    """Refuse a root key that exists and may not do this."""
    return ApiError(403, title, f"unkey/authorization/{kind}", detail)


def not_found(what: str, detail: str) -> ApiError:
    """Tell that a resource, named in the kind of the error, does not exist."""
    return ApiError(404, "Not Found", f"unkey/data/{what}_not_found", detail)


def key_not_found() -> ApiError:
    """Tell that a key does not exist, for the operations that read or change a key."""
    return not_found("key", "We could not find the requested key.")


def specified_key_not_found() -> ApiError:
    """Tell that a key does not exist, for the operations that grant or reroll."""
    return not_found("key", "The specified key was not found.")


def api_not_found() -> ApiError:
    """Tell that an API does not exist."""
    return not_found("api", "The requested API does not exist or has been deleted.")


def namespace_not_found() -> ApiError:
    """Tell that a rate limit namespace does not exist."""
    return not_found("ratelimit_namespace", "This namespace does not exist.")


def conflict(what: str, detail: str) -> ApiError:
    """Refuse to create what exists."""
    return ApiError(409, "Conflicting Resource", f"unkey/data/{what}_already_exists", detail)


def gone() -> ApiError:
    """Tell that a namespace was deleted."""
    detail = "This namespace has been deleted. Contact support to restore."
    return ApiError(410, "Resource Gone", "unkey/data/ratelimit_namespace_gone", detail)


def precondition(detail: str) -> ApiError:
    """Refuse what the state of the resource does not allow."""
    kind = "unkey/application/precondition_failed"
    return ApiError(412, "Precondition Failed", kind, detail)


def no_vault() -> ApiError:
    """Refuse to store or to show a key in plain text: there is no vault here."""
    return precondition("Vault hasn't been set up.")


def unavailable(detail: str) -> ApiError:
    """Tell that the server failed in a way it foresees."""
    kind = "unkey/application/service_unavailable"
    return ApiError(500, "Internal Server Error", kind, detail)


def unexpected() -> ApiError:
    """Tell that the server failed; why is in its log."""
    kind = "unkey/application/unexpected_error"
    return ApiError(500, "Internal Server Error", kind, "An unexpected error occurred.")
