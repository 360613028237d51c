"""Names, addresses, answers."""

import re

import pytest

from secureconnect.features.oidc import rules


@pytest.mark.parametrize(
    ("suggestions", "best"),
    [
        (("jane", None, None), "jane"),
        (("Jane.Doe@corp.example", None, None), "jane.doe"),
        ((None, "jane_d+chat@example.test", None), "jane_d.chat"),
        ((None, None, "José Núñez"), "jose.nunez"),
        (("--", None, "李明", "li ming"), "li.ming"),
        (("j" * 40, None, None), "j" * 30),
        (("admin", "root@example.test", "Jane"), "jane"),
        (("helper_bot", None, "Jane"), "jane"),
    ],
)
def test_names_made_of_what_a_provider_says(suggestions: tuple[str | None, ...], best: str) -> None:
    names = list(rules.usernames(*suggestions))
    assert names[0] == best
    assert len(set(names)) == len(names) == 6
    for name in names:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{2,29}", name)


@pytest.mark.parametrize("suggestion", [None, "", "李", "a", "admin", "\ud800"])
def test_names_of_people_without_a_usable_one(suggestion: str | None) -> None:
    names = list(rules.usernames(suggestion))
    assert len(names) == 5
    for name in names:
        assert re.fullmatch(r"user-[0-9a-f]+", name)


def test_display_names() -> None:
    assert rules.display_name("jane", "  Jane Doe ", "x") == "Jane Doe"
    assert rules.display_name("jane", "a\nb", "Jane") == "Jane"
    assert rules.display_name("jane", None, " ") == "jane"
    assert rules.display_name("jane", "x" * 300) == "x" * 100


@pytest.mark.parametrize(
    "email", [None, "", "jane", "jane@", "jané@example.test", "jane@ex ample", "a@b\n", "x" * 255]
)
def test_addresses_that_accounts_cannot_have(email: str | None) -> None:
    assert rules.usable(email) is None


def test_addresses() -> None:
    assert rules.usable("Jane@Example.test") == "Jane@Example.test"
    # Somebody's Kelvin sign would be a k without regard to case.
    assert rules.usable("\u212aim@example.test") is None
    assert rules.usable(rules.no_address("u")) is None
    assert rules.is_no_address(rules.no_address("u").upper())


def test_the_challenge_of_rfc_7636() -> None:
    """Its appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert rules.challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
