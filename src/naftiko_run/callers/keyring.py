"""The keys of an authorization server, kept for a while and fetched by one request for all."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from naftiko_run.callers.authority import Authority, AuthorityError, read_object
from naftiko_run.callers.keys import KeySet
from naftiko_run.types import Request

KEPT: Final = 300.0
"""Seconds for which keys are used: one that the server withdraws is good for no longer."""

PAUSE: Final = 30.0
"""Seconds between fetches for keys that are not known: tokens can name any."""

RETRY: Final = 5.0
"""Seconds after a failure in which nothing is asked again."""


class Keyring:
    """Keeps the keys; ``jwks_uri`` is found through the server's metadata where none is given."""

    def __init__(
        self,
        authority: Authority,
        jwks_uri: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fetch nothing yet: the first token does."""
        self._authority = authority
        self._given = jwks_uri
        self._found = ""
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched = self._tried = -float("inf")
        self._failure: AuthorityError | None = None
        self._fetching: asyncio.Task[KeySet] | None = None

    @property
    def current(self) -> KeySet | None:
        """The keys, None where they are to be fetched first."""
        return self._keys if self._clock() - self._fetched < KEPT else None

    @property
    def may_refresh(self) -> bool:
        """Whether it is long enough ago that somebody asked for keys."""
        return self._clock() - self._tried >= PAUSE

    async def fetch(self) -> KeySet:
        """Fetch the keys, together with whoever else waits for them.

        Raises:
            AuthorityError: they cannot be had, or could not a moment ago.
        """
        if self._fetching is None:
            if self._failure is not None and self._clock() - self._tried < RETRY:
                raise AuthorityError(str(self._failure))
            self._tried = self._clock()
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._done)
        # A caller who goes away must not take the fetch from those who wait with him.
        return await asyncio.shield(self._fetching)

    def _done(self, task: asyncio.Task[KeySet]) -> None:
        self._fetching = None
        self._tried = self._clock()
        if task.cancelled():
            return
        error = task.exception()
        self._failure = error if isinstance(error, AuthorityError) else None
        if error is None:
            self._keys, self._fetched = task.result(), self._tried
        else:
            self._found = ""  # it may have moved

    async def _fetch(self) -> KeySet:
        url = self._given or self._found
        if not url:
            url = (await self._authority.metadata()).jwks_uri
            if not url:
                raise self._authority.failure("its metadata name no place of its keys")
            self._found = url
        accept = "application/jwk-set+json, application/json"
        reply = await self._authority.send(Request("GET", url, (("Accept", accept),)))
        document = read_object(reply) if reply.status == 200 else None
        keys = document.get("keys") if document else None
        found = KeySet(keys) if isinstance(keys, list) else None
        if not found:
            raise self._authority.failure("it gives no usable keys")
        return found
