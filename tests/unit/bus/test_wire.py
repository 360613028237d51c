"""Hints between processes: each comes out as it went in, and what is not known is skipped."""

import typing

import msgspec
import pytest

from secureconnect.infra.bus.wire import HINTS, LOST, Encoder, read
from secureconnect.kit import hints
from secureconnect.kit.hints import FactsChanged, Hint

_VALUES: dict[object, object] = {
    str: "text",
    int: 7,
    float: 1.5,
    bool: True,
    bytes: b"\x00bytes",
    str | None: "maybe",
    int | None: 3,
    bytes | None: b"frame",
    tuple[bytes, ...]: (b"one", b"two"),
    list[bytes]: [b"one", b"two"],
}


def one_of(kind: type[msgspec.Struct]) -> Hint:
    """A hint with a value in every field."""
    types = typing.get_type_hints(kind)
    values = {field.name: _VALUES[types[field.name]] for field in msgspec.structs.fields(kind)}
    return typing.cast("Hint", kind(**values))


@pytest.mark.parametrize("kind", typing.get_args(Hint), ids=lambda kind: kind.__name__)
def test_every_hint_comes_out_as_it_went_in(kind: type[msgspec.Struct]) -> None:
    sender, receiver = Encoder(), Encoder()
    hint = one_of(kind)
    message = sender.message([sender.hint(hint)])
    found = read(message, receiver.process)
    assert found is not None
    assert (found[0], list(found[1])) == (HINTS, [hint])
    assert read(message, sender.process) is None  # its own


def test_every_hint_there_is_can_travel() -> None:
    structs = {
        value
        for value in vars(hints).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct)
    }
    assert structs == set(typing.get_args(Hint))


@pytest.mark.parametrize("count", [1, 15, 16, 300])
def test_many_in_one_message_keep_their_order(count: int) -> None:
    sender = Encoder()
    sent = [FactsChanged(str(number)) for number in range(count)]
    found = read(sender.message([sender.hint(hint) for hint in sent]), b"somebody")
    assert found is not None
    assert list(found[1]) == sent


def test_that_hints_were_lost_is_a_message_too() -> None:
    sender = Encoder()
    found = read(sender.lost, b"somebody")
    assert found is not None
    assert (found[0], list(found[1])) == (LOST, [])
    assert read(sender.lost, sender.process) is None


def test_fields_that_the_next_version_appends_are_skipped() -> None:
    sender = Encoder()
    newer = msgspec.msgpack.encode(["facts", "c", "of the next version"])
    unknown = msgspec.msgpack.encode(["of the next version", 1])
    found = read(sender.message([unknown, newer]), b"somebody")
    assert found is not None
    assert list(found[1]) == [FactsChanged("c")]


@pytest.mark.parametrize(
    "message", [b"", b"\x01\x00", b"\x02\x00" + b"p" * 8 + b"\x90", b"\x01\x07" + b"p" * 9]
)
def test_others_are_not_for_us(message: bytes) -> None:
    assert read(message, b"somebody") is None
