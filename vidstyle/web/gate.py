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

from vidstyle.media.http_server import LOOPBACK, is_foreign, named_host
from vidstyle.web.exchange import Forbidden


@dataclass(frozen=True, kw_only=True)
class Gate:
    """`token` is None where only this machine can come in; `cookie` is the name of the cookie that it is kept in."""

    token: str | None
    cookie: str

    @classmethod
    def for_address(cls, host: str, port: int) -> Gate:
        """The gate of a server that listens there."""
        token = None if host in LOOPBACK else secrets.token_urlsafe(18)
        return cls(token=token, cookie=f"vidstyle_token_{port}")  # a browser keeps one jar for all ports of a host

    def admits(self, token: str) -> bool:
        """Whether the address brought the right token."""
        return self.token is not None and hmac.compare_digest(token.encode(), self.token.encode())

    def check(self, headers: Message) -> None:
        """Raises Forbidden."""
        if self.token is None and named_host(headers.get("Host")) not in LOOPBACK:
            raise Forbidden("this page is for this machine only")
        if self.token is not None and not self.admits(self._brought(headers)):
            raise Forbidden("open the address with its token, as `vidstyle serve` printed it")
        if is_foreign(headers):
            raise Forbidden("pages of other sites may not ask")

    def _brought(self, headers: Message) -> str:
        """What our cookie holds, however other programs of this host write theirs; empty where there is none."""
        cookies = (part.strip().partition("=") for part in (headers.get("Cookie") or "").split(";"))
        return next((value for name, _, value in cookies if name == self.cookie), "")
