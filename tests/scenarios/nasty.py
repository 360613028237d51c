"""Bad input that others thought of first."""

from typing import Any

__all__ = ["BODIES", "TEXTS", "VALUES"]

SQL = "' OR '1'='1'; DROP TABLE users; --"
TEXTS = [
    "\x00",
    SQL,
    "../../../../etc/passwd",
    "%00%ff%2e%2e%2f",
    "\u202e\u200d\ufeff",
    "\U0001f469\u200d\U0001f680" * 50,
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "x" * 7_000,
    "-1",
    "1e400",
    "9" * 400,
    "NaN",
    "null",
    "",
]
VALUES: list[Any] = [
    *TEXTS,
    "\ud800",
    None,
    True,
    -1,
    2**53,
    2**63,
    2**64,
    10**300,
    -(10**300),
    0.1,
    1e308,
    [],
    {},
    [[[[]]]],
    [SQL] * 50,
    {"$ne": None},
    {"x" * 500: "x"},
]
BODIES = [
    b"",
    b"\xff\xfe",
    b'{"email":"\xff"}',
    b'"text"',
    b"null",
    b"[" * 100_000,
    b'{"a":' * 40 + b"1" + b"}" * 40,
    b'{"a":' * 100_000,
    b'{"content":"\\ud800"}',
    b'{"content":"\\u0000"}',
    b'{"limit":' + b"9" * 5_000 + b"}",
    b'{"a":1e999999}',
    b'{"a":NaN}',
    b'{"a":1,"a":2}',
    b"{'a':1}",
    b"\xef\xbb\xbf{}",
]
