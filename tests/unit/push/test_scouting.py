"""Who finds out that a provider or host is back."""

from secureconnect.features.push.service.scouting import Scouts
from tests.contract.manual_clock import ManualClock


def test_one_for_each_place_and_another_when_it_is_lost() -> None:
    clock = ManualClock()
    scouts = Scouts(clock)
    assert scouts.includes("fcm", "a", for_ever=True)
    assert not scouts.includes("fcm", "b", for_ever=True)
    assert scouts.includes("host", "c", for_ever=False)
    clock.advance(16)
    assert scouts.includes("fcm", "b", for_ever=True)
    assert not scouts.includes("fcm", "a", for_ever=True)
    assert scouts.back("b")
    assert not scouts.back("b")
    assert scouts.includes("fcm", "a", for_ever=True)


def test_hosts_that_never_come_back_are_given_up() -> None:
    clock = ManualClock()
    scouts = Scouts(clock)
    tried = 0
    while scouts.includes("gone", "a", for_ever=False):
        clock.advance(10)
        tried += 1
    assert tried == 60
    clock.advance(300)
    assert not scouts.includes("gone", "b", for_ever=False), "by another push neither"
    clock.advance(4000)
    assert scouts.includes("gone", "a", for_ever=False), "that is another outage"


def test_there_are_few() -> None:
    clock = ManualClock()
    scouts = Scouts(clock)
    found = [scouts.includes(f"host {number}", "a", for_ever=False) for number in range(10)]
    assert found == [True] * 8 + [False] * 2
