"""Shoppers, partners and back-office people: the requests that Acme's services get, made for real.

What is asked is drawn from a seed; what is answered is up to the revision that runs.
"""

import http.client
import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from demo.instrumentation import TRACE_ID
from demo.releases import Scene
from demo.shifting import REPLAY_AT

SKUS = (
    *("LAMP-1", "LAMP-2", "LAMP-3", "MUG-1", "MUG-2", "MUG-3", "PEN-1", "PEN-2", "INK-1", "INK-2"),
    *("PAD-1", "PAD-2", "BAG-1", "BAG-2", "BOX-1", "TIN-1", "CUP-1", "CUP-2", "MAT-1", "CLK-1"),
)
POPULAR = (*SKUS, "LAMP-3", "LAMP-3", "MUG-3", "INK-2")
COUPONS = ("HELLO5", "SPRING10", "FRIENDS15")
AT_ONCE = 6
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Failure:
    """One request that was not answered well; ``status`` 0: not at all. ``trace_id`` as the service told it."""

    kind: str
    status: int
    at_unix_ns: int
    trace_id: str


@dataclass
class Traffic:
    """Sends requests to ``ports`` (service -> port) and keeps what went wrong in ``failures``."""

    ports: dict[str, int]
    token: str
    started_unix_ns: int
    seed: int = 20260
    numbers: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    asked: int = 0

    def play(self, scene: Scene) -> None:
        """Make every request of ``scene``, a few at once; each stands for its own moment of the scene."""
        chance = random.Random(self.seed + scene.start_s)
        moments = sorted(chance.random() ** 2 for _ in range(scene.count))
        length = scene.end_s - scene.start_s
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for turn, moment in enumerate(moments):
                at_ns = self.started_unix_ns + int((scene.start_s + moment * length) * 1e9)
                kind = scene.kinds[turn % len(scene.kinds)]
                pool.submit(self._ask, kind, at_ns, random.Random(self.seed + scene.start_s + turn))

    def _ask(self, kind: str, at_ns: int, chance: random.Random) -> None:
        request = KINDS[kind](self, chance)
        if request is None:
            return
        service, method, path, body = request
        status, answer, trace_id = self._send(service, method, path, body, at_ns)
        with self.lock:
            self.asked += 1
            if status == 0 or status >= 400:
                self.failures.append(Failure(kind, status, at_ns, trace_id))
            if status == 201 and isinstance(answer, dict) and "number" in answer:
                self.numbers.append(answer["number"])

    def _send(
        self, service: str, method: str, path: str, body: bytes | None, at_ns: int
    ) -> tuple[int, object, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[service], timeout=TIMEOUT_S)
        headers = {REPLAY_AT: str(at_ns), "User-Agent": "acme-traffic", "X-Acme-Token": self.token}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None, response.headers.get(TRACE_ID, "")
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None, ""
        finally:
            connection.close()


Request = tuple[str, str, str, bytes | None]
"""Service, method, path, body."""


def _cart(chance: random.Random, **more: object) -> bytes:
    lines = [
        {"sku": sku, "quantity": chance.randint(1, 3)} for sku in chance.sample(SKUS, chance.randint(1, 2))
    ]
    customer = f"shopper{chance.randint(1, 40)}@mail.example"
    return json.dumps({"customer": customer, "lines": lines, **more}).encode()


def _order(_traffic: Traffic, chance: random.Random) -> Request:
    return "storefront", "POST", "/orders", _cart(chance, gift_note=chance.choice(("", "Happy birthday!")))


def _large_order(_traffic: Traffic, chance: random.Random) -> Request:
    lines = [{"sku": "LAMP-3", "quantity": chance.randint(2, 4)}]
    return "storefront", "POST", "/orders", json.dumps({"customer": "office", "lines": lines}).encode()


def _coupon_order(_traffic: Traffic, chance: random.Random) -> Request:
    return "storefront", "POST", "/orders", _cart(chance, coupon=chance.choice(COUPONS))


def _partner(_traffic: Traffic, chance: random.Random) -> Request:
    feed = {"partner": "north", "items": [{"sku": chance.choice(SKUS), "pieces": chance.randint(1, 5)}]}
    return "storefront", "POST", "/partner/orders", json.dumps(feed).encode()


def _samples(_traffic: Traffic, chance: random.Random) -> Request:
    feed = {"partner": "south", "items": [{"sku": chance.choice(SKUS), "pieces": 0}]}
    return "storefront", "POST", "/partner/orders", json.dumps(feed).encode()


def _cut_partner(traffic: Traffic, chance: random.Random) -> Request:
    service, method, path, body = _partner(traffic, chance)
    return service, method, path, (body or b"")[: chance.randint(20, 40)]


def _read(traffic: Traffic, chance: random.Random) -> Request | None:
    with traffic.lock:
        numbers = traffic.numbers[-40:]
    return ("storefront", "GET", f"/orders/{chance.choice(numbers)}", None) if numbers else None


def _quote(_traffic: Traffic, chance: random.Random) -> Request:
    items = [{"sku": sku, "quantity": chance.randint(1, 9)} for sku in chance.sample(SKUS, 2)]
    return "checkout", "POST", "/quotes", json.dumps({"customer": "office", "items": items}).encode()


KINDS: dict[str, Callable[[Traffic, random.Random], Request | None]] = {
    "listing": lambda _, chance: (
        *("storefront", "GET"),
        f"/products?sort={chance.choice(('sku', 'price', 'name'))}",
        None,
    ),
    "page": lambda _, chance: ("storefront", "GET", f"/products/{chance.choice(POPULAR)}", None),
    "search": lambda _, chance: (
        *("storefront", "GET"),
        f"/search?q={chance.choice(('lamp', 'mug', 'ink+blue'))}",
        None,
    ),
    "order": _order,
    "large order": _large_order,
    "order with coupon": _coupon_order,
    "partner": _partner,
    "samples": _samples,
    "cut partner": _cut_partner,
    "read": _read,
    "quote": _quote,
    "customer": lambda _, chance: (
        *("checkout", "GET"),
        f"/customers/shopper{chance.randint(1, 40)}@mail.example/orders",
        None,
    ),
    "recent": lambda *_: ("storefront", "GET", "/recent", None),
    "export": lambda *_: ("checkout", "GET", "/exports/orders", None),
    "supplier": lambda _, chance: ("inventory", "GET", f"/stock/{chance.choice(SKUS)}/supplier", None),
}
"""Kind of request -> how one is made; None when there is nothing to ask for yet."""
