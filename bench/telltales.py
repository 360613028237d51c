"""What the time of an answer tells about who has an account.

    python -m bench.telltales [--requests N]

For every public route that takes an address: as many requests with a known as with an unknown one, in random
order, and the medians of both. `after` is the time of a neutral request that follows at once: work that goes
on behind an answer must not tell either. Ends with 1 when a difference is over 10 %.
"""

import argparse
import http.client
import json
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.measure import table
from bench.product import ENVIRONMENT, Product, running

_LIMIT = 0.10
_PASSWORD = "Violet-Kettle-42-Rain"

Body = Callable[[str], dict[str, str]]


class Route(NamedTuple):
    """A path and its body for an address."""

    path: str
    body: Body


ROUTES = {
    "password-reset/request": Route("/v1/auth/password-reset/request", lambda email: {"email": email}),
    "verify-email/resend": Route("/v1/auth/verify-email/resend", lambda email: {"email": email}),
    "login, wrong password": Route(
        "/v1/auth/login", lambda email: {"email": email, "password": "Wrong-Words-12"}
    ),
    "register": Route(
        "/v1/auth/register",
        lambda email: {
            "email": email,
            "username": f"u{secrets.token_hex(6)}",
            "password": _PASSWORD,
            "display_name": "U",
        },
    ),
}


class Times(NamedTuple):
    """Seconds of the answers, and of the neutral requests after them."""

    answers: list[float]
    after: list[float]


def _post(connection: http.client.HTTPConnection, path: str, body: dict[str, str]) -> float:
    # Each from another address, so that nothing is locked.
    address = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    started = time.perf_counter()
    connection.request("POST", path, json.dumps(body), headers)
    connection.getresponse().read()
    return time.perf_counter() - started


def _nobody() -> str:
    return f"{secrets.token_hex(6)}@example.test"


def measure(product: Product, route: Route, requests: int) -> tuple[Times, Times]:
    """Times with known and with unknown addresses."""
    connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=30)
    known, unknown = Times([], []), Times([], [])
    emails = [_register(connection) for _ in range(20)]
    order = [known, unknown] * (requests + 5)
    random.shuffle(order)
    for number, times in enumerate(order):
        email = random.choice(emails) if times is known else _nobody()
        seconds = _post(connection, route.path, route.body(email))
        after = _post(connection, "/v1/auth/verify-email", {"token": "none"})
        if number >= 10:  # the first ones open files and fill caches
            times.answers.append(seconds)
            times.after.append(after)
        time.sleep(random.random() * 0.02)
    connection.close()
    return known, unknown


def _register(connection: http.client.HTTPConnection) -> str:
    email = f"{secrets.token_hex(6)}@example.test"
    _post(connection, "/v1/auth/register", ROUTES["register"].body(email))
    return email


def main() -> int:
    """Print the table; 1 when something tells."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=200, help="of each kind and route")
    requests = parser.parse_args().requests
    rows: list[list[Any]] = []
    worst = 0.0
    environment = {
        **ENVIRONMENT,
        "SECURECONNECT__SERVER__TRUSTED_PROXIES": "127.0.0.0/8",
        "SECURECONNECT__AUTH__LOCKOUT_ACCOUNT_FAILURES": "1000000",
    }
    with (
        tempfile.TemporaryDirectory(prefix="secureconnect-bench-") as folder,
        running(Path(folder), environment=environment) as product,
    ):
        for name, route in ROUTES.items():
            known, unknown = measure(product, route, requests)
            for what, pair in (
                ("answer", (known.answers, unknown.answers)),
                ("after", (known.after, unknown.after)),
            ):
                a, b = map(statistics.median, pair)
                apart = abs(a - b) / max(a, b)
                worst = max(worst, apart)
                rows.append([name, what, f"{a * 1e3:.2f}", f"{b * 1e3:.2f}", f"{apart:.1%}"])
    head = ["route", "time of", "known (ms)", "unknown (ms)", "apart"]
    print(table(f"Medians of {requests} requests of each kind", head, rows))
    return int(worst > _LIMIT)


if __name__ == "__main__":
    sys.exit(main())
