"""Who may ask: this machine's own page, and nobody whom some other page sends.

On the loopback address the `Host` must name this machine, so that a foreign name that resolves to us (DNS
rebinding) opens nothing. Elsewhere a token must be brought, in the address once, then in a cookie. In both
cases requests that another site's page makes are refused (`Origin`, `Sec-Fetch-Site`).
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from email.message import Message
from http.cookies import CookieError, SimpleCookie

from vidstyle.media.http_server import LOOPBACK, is_foreign, named_host
from vidstyle.web.exchange import Forbidden

COOKIE = "vidstyle_token"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """`token` is None where only this machine can come in."""

    token: str | None

    @classmethod
    def for_host(cls, host: str) -> Gate:
        """The gate of a server that listens at `host`."""
        return cls(token=None if host in LOOPBACK else secrets.token_urlsafe(18))

    def admits(self, token: str) -> bool:
        """Whether the address brought the right token."""
        return self.token is not None and hmac.compare_digest(token.encode(), self.token.encode())

    def check(self, headers: Message) -> None:
        """Raises Forbidden."""
        if self.token is None and named_host(headers.get("Host")) not in LOOPBACK:
            raise Forbidden("this page is for this machine only")
        if self.token is not None and not self.admits(_cookie(headers)):
            raise Forbidden("open the address with its token, as `vidstyle serve` printed it")
        if is_foreign(headers):
            raise Forbidden("pages of other sites may not ask")


def _cookie(headers: Message) -> str:
    try:
        found = SimpleCookie(headers.get("Cookie") or "").get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
