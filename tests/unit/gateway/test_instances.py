"""Who gets a request."""

from collections import Counter

from secureconnect.gateway.instances import Instance, Role, Target
from secureconnect.infra.resilience.breaker import Breaker, BreakerRules
from secureconnect.kit.clock import SystemClock


class _Silent:
    def breaker(self, dependency: str, state: int) -> None:
        pass

    def dependency(self, name: str, *, up: bool) -> None:
        pass


def role(count: int) -> Role:
    made = []
    for number in range(count):
        breaker = Breaker(f"chat_{number}", BreakerRules(), _Silent(), SystemClock())
        target = Target(f"http://10.0.0.{number}:8082")
        made.append(Instance(f"chat_{number}", target, breaker, connect_timeout=1))
    return Role("chat", made)


def test_targets_are_read_from_urls() -> None:
    assert (Target("http://chat").host, Target("http://chat").port) == ("chat", 80)
    assert str(Target("http://chat:8082")) == "chat:8082"
    assert Target("https://chat").port == 443
    assert Target("https://chat").tls is not None


def test_equals_take_turns_and_the_loaded_ones_wait() -> None:
    chat = role(3)
    assert Counter(chat.choose() for _ in range(30)) == dict.fromkeys(chat.instances, 10)
    chat.instances[0].load = 5
    assert chat.instances[0] not in {chat.choose() for _ in range(30)}


def test_who_is_not_ready_is_asked_only_when_nobody_else_is_left() -> None:
    chat = role(2)
    first, second = chat.instances
    first.ready = False
    assert {chat.choose() for _ in range(10)} == {second}
    second.ready = False
    assert {chat.choose() for _ in range(10)} == {first, second}
    second.breaker.trip("test")
    assert chat.choose() is first
    first.breaker.trip("test")
    assert chat.choose() is None


def test_a_role_is_ready_while_one_that_is_gets_requests() -> None:
    chat = role(2)
    first, second = chat.instances
    first.ready = second.ready = True
    first.breaker.trip("test")
    assert chat.ready
    alone = role(1)
    alone.instances[0].ready = True
    alone.instances[0].breaker.trip("test")
    assert not alone.ready


def test_a_second_attempt_goes_elsewhere() -> None:
    chat = role(2)
    first, second = chat.instances
    assert chat.choose(without=first) is second
    assert role(1).choose(without=None) is not None
    alone = role(1)
    assert alone.choose(without=alone.instances[0]) is None


def test_calls_stay_and_only_those_of_a_lost_instance_move() -> None:
    video = role(4)
    calls = [f"call-{number}" for number in range(400)]
    before = {call: video.choose(call_id=call) for call in calls}
    assert all(video.choose(call_id=call) is before[call] for call in calls)
    spread = Counter(before.values())
    assert min(spread.values()) > 50
    lost = video.instances[2]
    lost.ready = False
    for call in calls:
        assert before[call] is lost or video.choose(call_id=call) is before[call]
        assert video.choose(call_id=call) is not lost


def test_the_state_of_a_role_is_that_of_its_best() -> None:
    chat = role(2)
    assert not chat.reachable
    assert not chat.ready
    chat.instances[1].reachable = chat.instances[1].ready = True
    chat.instances[1].latency_ms = 1.5
    assert (chat.reachable, chat.ready, chat.latency_ms) == (True, True, 1.5)
