"""Where the cockpit is served, and who may see it."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass

from robot_rl.errors import ConfigError

MIN_TOKEN_LENGTH = 8


@dataclass(frozen=True, slots=True)
class CockpitConfig:
    """Address and secret of the page."""

    host: str = "127.0.0.1"
    """address it is served on; any but a loopback address asks for the token"""
    port: int = 8080
    """0: a free one"""
    token: str | None = None
    """secret that is asked for; None: a new one at each start where one is needed"""

    def __post_init__(self) -> None:
        if not self.host:
            raise ConfigError("cockpit host is empty; 127.0.0.1 serves this machine, 0.0.0.0 every one that reaches it")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"cockpit port {self.port} is not in 0..65535")
        if self.token is not None and (len(self.token) < MIN_TOKEN_LENGTH or not _is_plain(self.token)):
            raise ConfigError(
                f"a cockpit token must have at least {MIN_TOKEN_LENGTH} letters, digits, - or _; leave it out to get a new one"
            )

    def secret(self) -> str | None:
        """Return the token that is asked for, or None where nobody but this machine can come."""
        if self.token is not None:
            return self.token
        return None if is_loopback(self.host) else secrets.token_urlsafe(16)


def is_loopback(host: str) -> bool:
    """Return whether `host` is an address of this machine that no other can reach."""
    name = host.strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_plain(token: str) -> bool:
    return token.isascii() and token.replace("-", "").replace("_", "").isalnum()
