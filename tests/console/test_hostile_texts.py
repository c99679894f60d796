"""Every text of every row is hostile: markup, formulas, writing from the right, ten thousand letters without a blank. Pages show it as text."""

import json
from typing import Any

import pytest

from tazco.audit.store import AUDIT_LOGS
from tazco.card_requests.store import CARD_REQUESTS
from tazco.cards.store import CARDS
from tazco.notifications.store import NOTIFICATIONS
from tazco.platform.outbox import OUTBOX
from tazco.platform.tables import Table
from tazco.scores.store import SCORES
from tazco.trackers.store import TRACKERS
from tazco.transactions.store import TRANSACTIONS
from tazco.users.store import USERS
from tests.console.lived_in import LivedIn
from tests.console.office import Office
from tests.console.test_every_page import GUARDED, NOT_HTML
from tests.contract.seeds import amend

MARKUP = "</bdi></td><script>alert(1)</script><img src=x onerror=alert(2)>{{7007*7007}}'\"><svg/onload=alert(3)>"
FORMULA = '=HYPERLINK("http://elsewhere.example","click")'
FROM_THE_RIGHT = "\u202e\u2066gnp.exe\u200f"
TEXT = f"{MARKUP}{FORMULA}{FROM_THE_RIGHT}{'W' * 10_000}"
INDEXED = TEXT[:1_000]
"""DynamoDB takes no key of an index above 2,048 bytes."""

JSON = json.dumps({TEXT[:300]: TEXT, "status": TEXT})
TEXTS: tuple[tuple[Table[Any], dict[str, str]], ...] = (
    (USERS, {"email": INDEXED}),
    (CARDS, {"productId": TEXT, "statusReason": TEXT}),
    (CARD_REQUESTS, {"productId": TEXT, "reason": TEXT, "decidedBy": TEXT}),
    (TRANSACTIONS, {"merchant": TEXT}),
    (SCORES, {"reason": TEXT}),
    (
        AUDIT_LOGS,
        {"reason": TEXT, "adminEmail": TEXT, "userAgent": TEXT, "ipAddress": TEXT, "previousValue": JSON, "newValue": JSON},
    ),
    (NOTIFICATIONS, {"recipientName": TEXT, "lastError": TEXT}),
    (OUTBOX, {"lastError": TEXT, "payload": JSON}),
    (TRACKERS, {"respondedBy": TEXT}),
)
"""What people, other programs or providers can have written into each table."""

PAGE_PIXELS_MAX = 60_000


@pytest.fixture(scope="module")
async def hostile(office: Office, lived_in: LivedIn) -> LivedIn:
    """The office after somebody has filled in everything."""
    operator = await office.world.operator()
    for table, texts in TEXTS:
        for item in await office.world.rows(table):
            key = table.key_of(item)
            spared = table is USERS and key[0] == operator.ecosystem_id
            if "code#" not in key[0] and not spared and ("payload" in item or table is not OUTBOX):
                await amend(office.world, table, key, **texts)
    return lived_in


@pytest.mark.parametrize("path", [path for path in GUARDED if path not in NOT_HTML])
async def test_a_page_shows_hostile_texts_as_texts(office: Office, hostile: LivedIn, path: str) -> None:
    async with office.operator() as desk:
        dialogs: list[str] = []
        desk.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        for address in hostile.addresses(path):
            for width in (1440, 360):
                await desk.page.set_viewport_size({"width": width, "height": 900})
                assert await desk.go(address) == 200, address
                assert await desk.overflow() <= 0, (address, width)
            assert await desk.page.locator("main script[src], main img[onerror], main svg[onload]").count() == 0
            assert await desk.page.evaluate("document.documentElement.scrollHeight") < PAGE_PIXELS_MAX
            assert "49098049" not in await desk.text("h1")
        assert dialogs == []


async def test_a_hostile_search_is_looked_for_and_not_run(office: Office, hostile: LivedIn) -> None:
    assert hostile.card_id
    async with office.operator() as desk:
        desk.expected = ("404", "400")
        for address in ("/console/find?q=", "/console/people?q=", "/console/audit?targetType=user&targetId="):
            await desk.go(address + "%3Cscript%3Ealert(1)%3C/script%3E%22%3E")
            assert await desk.page.locator("main script:not([type])").count() == 0
