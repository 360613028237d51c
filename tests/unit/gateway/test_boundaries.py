"""Frame boundaries are found however the bytes are cut."""

from hypothesis import given
from hypothesis import strategies as st

from secureconnect.edge.realtime.wire import close_frame, text_frame
from secureconnect.gateway.boundaries import Boundaries

_FRAMES = st.lists(
    st.one_of(
        st.integers(0, 200).map(lambda size: text_frame(b"x" * size)),
        st.sampled_from([text_frame(b"y" * 70_000), text_frame(b"z" * 126), b"\x89\x00"]),
        st.just(b"\x81\x85maskhello"),
    ),
    max_size=6,
)


@given(_FRAMES, st.lists(st.integers(1, 400), max_size=40), st.integers(0, 5))
def test_clean_exactly_between_frames(frames: list[bytes], cuts: list[int], missing: int) -> None:
    stream = b"".join(frames)
    ends = {0}
    for frame in frames:
        ends.add(max(ends) + len(frame))
    boundaries, at = Boundaries(), 0
    for cut in [*cuts, len(stream)]:
        boundaries.feed(stream[at : at + cut])
        at = min(len(stream), at + cut)
        assert boundaries.clean == (at in ends)
    assert not boundaries.closing
    if missing and len(stream) > missing:
        shorter = Boundaries()
        shorter.feed(stream[:-missing])
        assert shorter.clean == (len(stream) - missing in ends)


def test_a_close_frame_is_the_last() -> None:
    assert _after(text_frame(b"\x88\x88\x88")) == (False, True)
    assert _after(text_frame(b"a") + close_frame(4501)) == (True, True)


def _after(stream: bytes) -> tuple[bool, bool]:
    boundaries = Boundaries()
    boundaries.feed(stream)
    return boundaries.closing, boundaries.clean
