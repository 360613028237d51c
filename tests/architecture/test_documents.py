"""Generated documents are those that the code generates now."""

from secureconnect.app.settings.reference import document
from tests.architecture.house import ROOT


def test_the_reference_of_settings_is_up_to_date() -> None:
    assert (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8") == document(), "run `make docs`"
