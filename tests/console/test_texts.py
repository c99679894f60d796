"""The console's words in both languages: every text of a template has its Portuguese, and numbers are written as people read them."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from jinja2 import nodes

from tazco.card_requests.model import RequestStatus
from tazco.cards.model import CardStatus, FailureReason
from tazco.console.frame.drawing import ENVIRONMENT, ROOT
from tazco.console.frame.texts import CATALOGUES, Texts, preferred
from tazco.console.frame.visit import NAV, PHONE
from tazco.kernel.money import Money
from tazco.notifications.model import DeliveryStatus
from tazco.trackers.model import TrackerStatus
from tazco.users.model import Tier, UserStatus
from tests.console.office import Office

ENGLISH = Texts(locale="en", currency="USD", zone="UTC")
PORTUGUESE = Texts(locale="pt-BR", currency="BRL", zone="America/Sao_Paulo")
TRANSLATING_MACROS = {"badge", "nothing", "said"}
ENUMS = (RequestStatus, CardStatus, FailureReason, DeliveryStatus, TrackerStatus, Tier, UserStatus)
SAME_IN_BOTH = {"Timeline"}


def _translates(call: nodes.Call) -> bool:
    callee = call.node
    if isinstance(callee, nodes.Name):
        return callee.name == "_"
    if isinstance(callee, nodes.Getattr) and isinstance(callee.node, nodes.Name):
        return (callee.node.name, callee.attr) == ("_", "count") or callee.attr in TRANSLATING_MACROS
    return False


def _constants(node: nodes.Node) -> Iterator[str]:
    """The texts that an expression can come to: not the keys of a dictionary, not what is only compared."""
    if isinstance(node, nodes.Const):
        if isinstance(node.value, str) and re.search(r"[A-Za-z]{2}", node.value):
            yield node.value
    elif isinstance(node, nodes.Dict):
        for pair in node.items:
            yield from _constants(pair.value)
    elif isinstance(node, nodes.Getitem):
        yield from _constants(node.node)
    elif isinstance(node, nodes.CondExpr):
        for arm in (node.expr1, node.expr2):
            if arm is not None:
                yield from _constants(arm)


def _texts_of(template: str) -> Iterator[str]:
    tree = ENVIRONMENT.parse((ROOT / "templates" / template).read_text())
    for call in tree.find_all(nodes.Call):
        if _translates(call):
            for argument in call.args:
                yield from _constants(argument)


def _used() -> set[str]:
    templates = {text for path in (ROOT / "templates").glob("*.html") for text in _texts_of(path.name)}
    words = {member.value for enum in ENUMS for member in enum}
    return templates | words | {entry.name for entry in (*NAV, PHONE)}


def test_every_text_has_its_portuguese() -> None:
    catalogue = json.loads((CATALOGUES / "pt-BR.json").read_text())
    tones = {"good", "bad", "wait"}
    assert sorted(_used() - set(catalogue) - tones) == []


def test_what_is_filled_in_is_the_same_in_both() -> None:
    for english, portuguese in json.loads((CATALOGUES / "pt-BR.json").read_text()).items():
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", portuguese)), english


def test_amounts_instants_and_durations_are_written_as_they_are_read() -> None:
    at = datetime(2031, 4, 5, 6, 7, 8, 90_000, tzinfo=UTC)
    assert ENGLISH.money(Money(123456)) == "$1,234.56"
    assert PORTUGUESE.money(Money(123456)) == "R$\u00a01.234,56"
    assert ENGLISH.instant(at, seconds=True) == "2031-04-05 06:07:08.090"
    assert PORTUGUESE.instant(at) == "05/04/2031, 03:07"
    assert [ENGLISH.lasting(timedelta(seconds=each)) for each in (0.0123, 12.34, 90, 7_300, 200_000)] == [
        "12 ms",
        "12.3 s",
        "1 min",
        "2 h",
        "2 d",
    ]
    assert PORTUGUESE.ago(timedelta(hours=1, minutes=59)) == "há 1 hora"
    assert PORTUGUESE.number(1_234_567) == "1.234.567"


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("pt", "pt-BR"), ("pt-PT,pt;q=0.9", "pt-BR"), ("fr,en;q=0.5", "en"), ("", "pt-BR"), ("de", "pt-BR"), (";;,,", "pt-BR")],
)
def test_the_browser_is_asked_for_its_language(asked: str, spoken: str) -> None:
    assert preferred(asked, "pt-BR") == spoken


def test_a_message_of_the_api_is_found_with_its_numbers() -> None:
    told = PORTUGUESE.told("The limit 900 exceeds the policy: a low tier may have 500.")
    assert "900" in told
    assert "500" in told
    assert "limite" in told
    assert PORTUGUESE.told("Something else.") == "Something else."


async def test_an_operator_chooses_language_and_colours_and_the_browser_remembers(office: Office) -> None:
    async with office.operator() as desk:
        await desk.go("/console/requests")
        await desk.page.locator(".who summary").click()
        async with desk.page.expect_navigation():
            await desk.press("Português")
        assert "Pedidos de cartão" in await desk.text()
        assert desk.page.url.endswith("/console/requests")
        await desk.page.locator(".who summary").click()
        async with desk.page.expect_navigation():
            await desk.press("Escuro")
        assert await desk.page.locator("html").get_attribute("data-theme") == "dark"
        assert await desk.page.locator("html").get_attribute("lang") == "pt-BR"
        ground = await desk.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert ground == "rgb(16, 21, 28)"
