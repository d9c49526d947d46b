"""Pages of the console in a browser."""

import pytest

from schema.vocabulary import Role
from tests.workers.console.conftest import Console, Eyes, sign_in
from tests.world import message_ids


@pytest.fixture
def ops(console: Console) -> str:
    return console.add_user("olga", Role.ADMIN)


def test_a_page_with_a_serious_fault_does_not_look_well(eyes: Eyes) -> None:
    page = eyes.context.new_page()
    page.set_content("<html lang=en><title>A page</title><main><h1>A page</h1><img src='data:,'></main></html>")

    with pytest.raises(AssertionError, match=r"image-alt.*<img src="):
        eyes.look(page, "a page without a text for its image")


def test_pages_look_well(console: Console, eyes: Eyes, ops: str) -> None:
    answer = console.world.send("+2348031234567", "+2348031234568")
    page = eyes.context.new_page()
    page.goto(console.url)
    eyes.look(page, "sign-in")
    sign_in(page, console.url, ops)
    page.get_by_text("Workers that answer: none").wait_for()
    assert "worker lane does not answer" in " ".join(page.locator(".concerns").inner_text().split())
    eyes.look(page, "overview")
    for path in ("/profile", "/messages", "/messages?account=acme", f"/messages/{message_ids(answer)[0]}"):
        page.goto(console.url + path)
        eyes.look(page, path.replace("/", "-"))
