"""How much a client may ask for, and from where."""

import math
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from qka.errors import ConfigError

_TINY = 1e-6  # seconds that are none: sums of floats


class Bucket:
    """So many at once, refilled at so many a second; `rate` None lets everything pass."""

    def __init__(self, rate: float | None, burst: float | None = None) -> None:
        size = burst if burst is not None else max(1.0, rate or 0.0)
        self._each = 0.0 if rate is None else 1.0 / rate  # seconds to refill one
        self._slack = (size - 1.0) * self._each + _TINY  # seconds of refilling that may be owed
        self._full = -math.inf  # when it is, or was, full again

    def take(self, now: float) -> float:
        """Take one: 0.0, or the seconds until there is one."""
        full = self._full
        if full < now:
            full = now
        elif full - now > self._slack:
            return full - now - self._slack
        self._full = full + self._each
        return 0.0


class Buckets(dict[str, Bucket]):
    """A bucket for each name, made when it is first asked for: all alike, two seconds' worth."""

    def __init__(self, rate: float | None) -> None:
        super().__init__()
        self._rate = rate

    def __missing__(self, name: str) -> Bucket:
        burst = None if self._rate is None else 2 * self._rate
        bucket = self[name] = Bucket(self._rate, burst)
        return bucket


class Addresses:
    """Who may connect at all: networks like `192.168.1.0/24`; none given means everyone."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        for text in allow:
            try:
                self._networks.append(ip_network(text.strip(), strict=False))
            except ValueError:
                raise ConfigError(
                    f"allow: {text!r} is no network; write 192.168.1.0/24 or 192.168.1.20"
                ) from None

    def allowed(self, address: str) -> bool:
        """Whether that address may connect."""
        if not self._networks:
            return True
        try:
            ip = ip_address(address.partition("%")[0])  # a link-local one names its interface
        except ValueError:
            return False
        if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
            ip = ip.ipv4_mapped
        return any(ip in network for network in self._networks)


def is_loopback(host: str) -> bool:
    """Whether a server bound there is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
