"""One card: its life in the operator's hands, its ledger page by page, and the ledger as a file."""

import csv
import html
import io
import re
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest
from playwright.async_api import expect

from tazco.cards.store import CARDS
from tazco.console.pages import cards as card_pages
from tazco.kernel.money import Money
from tazco.transactions.model import TransactionType
from tests.console.ledgers import put, seed_ledger
from tests.console.lived_in import HOSTILE
from tests.console.office import Office, signed_in
from tests.contract.seeds import ago, amend, seed_card
from tests.world import Person

IDS = re.compile(r'<code class="id" title="(0000-\d+)">')


async def cardholder(office: Office, **attributes: object) -> tuple[Person, str, str]:
    """Somebody with a card, and the address of its page."""
    person = await office.world.person()
    card_id = await seed_card(office.world, person, **attributes)
    return person, card_id, f"/console/cards/{person.ecosystem_id}/{card_id}"


async def read(office: Office, path: str) -> httpx.Response:
    """An operator's request."""
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        return await http.get(path)


async def exported(office: Office, path: str) -> list[dict[str, str]]:
    """The file, parsed back."""
    reply = await read(office, path)
    assert reply.status_code == 200, reply.text
    assert reply.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(reply.content.decode("utf-8-sig"), newline="")))


async def test_suspend_and_reactivate(office: Office) -> None:
    person, card_id = await office.world.cardholder(760)
    async with office.operator() as desk:
        await desk.go(f"/console/cards/{person.ecosystem_id}/{card_id}")
        await desk.page.get_by_text("Suspend the card").click()
        await desk.page.locator("#act-suspend").get_by_label("Reason").fill("Reported stolen")
        async with desk.page.expect_navigation():
            await desk.press("Suspend")
        assert "The card is suspended" in await desk.text()
        assert "Reported stolen" in await desk.text("#life")
        await expect(desk.page.get_by_text("Suspend the card")).to_have_count(0)
        assert (await person.buy(card_id, 1)).message == "The card is suspended; only an active card can make purchases."
        await expect(desk.page.locator("#transactions tbody tr").first).to_contain_text("card not active")
        await desk.page.get_by_text("Reactivate the card").click()
        await desk.page.locator("#act-reactivate").get_by_label("Reason").fill("Found again")
        async with desk.page.expect_navigation():
            await desk.press("Reactivate")
        assert "The card is active again." in await desk.text()
    assert (await person.buy(card_id, 1)).status == 201


async def test_a_card_with_a_balance_is_not_cancelled_and_the_operator_learns_why(office: Office) -> None:
    person, card_id = await office.world.cardholder(760)
    await person.buy(card_id, 12.5)
    async with office.operator() as desk:
        desk.expected = ("400",)
        await desk.go(f"/console/cards/{person.ecosystem_id}/{card_id}")
        await desk.page.get_by_text("Cancel the card").click()
        await desk.page.locator("#act-cancel").get_by_label("Reason").fill("Moved abroad")
        await desk.press("Cancel for good")
        await expect(desk.page.get_by_role("alert")).to_contain_text("The card has a balance of 12.5. Pay it before cancelling.")
        await expect(desk.page.locator("#act-cancel").get_by_label("Reason")).to_have_value("Moved abroad")
        await person.pay(card_id, 12.5)
        async with desk.page.expect_navigation():
            await desk.press("Cancel for good")
        assert "The card is cancelled." in await desk.text()
        assert "A cancelled card stays cancelled." in await desk.text("#act")
        await expect(desk.page.locator("details.act")).to_have_count(0)


async def test_what_is_owed_of_what_and_since_when(office: Office) -> None:
    _, _, here = await cardholder(office, balance=142_500, nextDueDate=ago(office.world, days=2))
    page = (await read(office, here)).text
    assert "$1,425.00" in page
    assert "owed of a limit of $1,500.00" in page
    assert "$75.00" in page
    assert "95 per cent of the limit is used" in page
    assert '<rect class="used" width="95.00"' in page
    assert "near the limit" in page
    assert re.search(r"due; [23] days overdue", page)
    _, _, paid = await cardholder(office, balance=0, nextDueDate=ago(office.world, days=2))
    assert "nothing is owed" in (await read(office, paid)).text
    _, _, nothing = await cardholder(office, limit=0)
    assert "0 per cent" in (await read(office, nothing)).text


async def test_a_ledger_page_by_page_newest_first(office: Office) -> None:
    person, card_id, here = await cardholder(office)
    ledger = await seed_ledger(office.world, person, card_id, 60)
    seen: list[str] = []
    address: str | None = here
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        sizes = []
        while address is not None:
            page = (await http.get(address)).text
            sizes.append(len(IDS.findall(page)))
            seen += IDS.findall(page)
            following = re.search(r'<a href="([^"]+)" rel="next"', page)
            address = html.unescape(following[1]) if following else None
        assert (await http.get(f"{here}?show=payments&cursor=v1.x")).status_code == 400
    assert sizes == [25, 25, 10]
    assert seen == [row.transaction_id for row in ledger]


async def test_the_pages_of_a_refused_form_are_those_of_the_card(office: Office) -> None:
    person, card_id, here = await cardholder(office, balance=100)
    await seed_ledger(office.world, person, card_id, 26)
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        form = dict(re.findall(r'name="(form|key)" value="([^"]*)"', (await http.get(here)).text))
        refused = await http.post(f"{here}/cancel", data={**form, "reason": "Moved abroad"})
        assert refused.status_code == 400
        following = re.search(r'<a href="([^"]+)" rel="next"', refused.text)
        assert following is not None
        assert IDS.findall((await http.get(html.unescape(following[1]))).text) == ["0000-000001"]


async def test_the_rare_kind_is_found_behind_many_others_and_nothing_is_read_without_end(office: Office) -> None:
    person, card_id, here = await cardholder(office)
    ledger = await seed_ledger(office.world, person, card_id, card_pages.LOOKED_AT_MAX + 200)
    oldest = replace(ledger[-1], type=TransactionType.PAYMENT)
    await put(office.world, [oldest])
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        first = (await http.get(f"{here}?show=payments")).text
        assert "None like this among the 1,000 transactions looked at." in first
        following = re.search(r'<a href="([^"]+)" rel="next"', first)
        assert following is not None
        second = (await http.get(html.unescape(following[1]))).text
    assert IDS.findall(second) == [oldest.transaction_id]
    assert 'rel="next"' not in second


async def test_kinds_are_told_apart(office: Office) -> None:
    person, card_id = await office.world.cardholder(760)
    await person.buy(card_id, 50)
    await person.buy(card_id, 99_999)
    await person.pay(card_id, 20)
    here = f"/console/cards/{person.ecosystem_id}/{card_id}"
    found = {kind: (await read(office, f"{here}?show={kind}")).text.count("<tr>") - 1 for kind in card_pages.Kind}
    assert found == {"all": 3, "purchases": 2, "payments": 1, "declined": 1}
    assert "declined because: insufficient credit" in (await read(office, f"{here}?show=declined")).text
    assert (await read(office, f"{here}?show=none")).status_code == 400


async def test_the_file_has_what_the_ledger_has(office: Office) -> None:
    person, card_id = await office.world.cardholder(760)
    await person.buy(card_id, 1_250.5)
    await person.buy(card_id, 99_999)
    await person.pay(card_id, 250.5)
    here = f"/console/cards/{person.ecosystem_id}/{card_id}/transactions.csv"
    reply = await read(office, here)
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"] == f'attachment; filename="transactions-{card_id}.csv"'
    assert reply.headers["cache-control"] == "no-store"
    rows = await exported(office, here)
    known = (await person.get(f"/v1/cards/{card_id}/transactions")).body["transactions"]
    assert [row["transactionId"] for row in rows] == [each["transactionId"] for each in known]
    assert [Decimal(row["amount"]) for row in rows] == [each["amount"] for each in known]
    assert [row["timestamp"] for row in rows] == [each["timestamp"] for each in known]
    assert [row["failureReason"] for row in rows] == ["", "insufficient_credit", ""]
    assert rows[0]["scoreImpact"] == str(known[0]["scoreImpact"])
    assert rows[2]["amount"] == "1250.50"
    assert [row["type"] for row in await exported(office, f"{here}?show=payments")] == ["payment"]
    assert (await read(office, f"/console/cards/{person.ecosystem_id}/none/transactions.csv")).status_code == 404


async def test_no_cell_of_the_file_is_a_formula(office: Office) -> None:
    person, card_id, here = await cardholder(office)
    merchants = ['=HYPERLINK("http://x","y")', "  +1", "@SUM(1)", "\t=1", 'Say "hi", friend', HOSTILE]
    ledger = await seed_ledger(office.world, person, card_id, len(merchants))
    await put(office.world, [replace(row, merchant=merchant) for row, merchant in zip(ledger, merchants, strict=True)])
    found = [row["merchant"] for row in await exported(office, f"{here}/transactions.csv")]
    assert found == [*(f"'{each}" for each in merchants[:4]), *merchants[4:]]


async def test_a_long_ledger_leaves_in_pieces_and_whole(office: Office) -> None:
    person, card_id, here = await cardholder(office)
    ledger = await seed_ledger(office.world, person, card_id, 4_000)
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        async with http.stream("GET", f"{here}/transactions.csv") as reply:
            assert "content-length" not in reply.headers
            pieces = [piece async for piece in reply.aiter_raw()]
    assert max(map(len, pieces)) < 200_000
    rows = list(csv.DictReader(io.StringIO(b"".join(pieces).decode("utf-8-sig"), newline="")))
    assert [row["transactionId"] for row in rows] == [row.transaction_id for row in ledger]
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal(4_000 * 4_001 // 2).scaleb(-2)


async def test_the_file_ends_where_the_page_says(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    person, card_id, here = await cardholder(office)
    await seed_ledger(office.world, person, card_id, 30)
    assert "the newest 50,000 transactions at most" in (await read(office, here)).text
    monkeypatch.setattr(card_pages, "EXPORT_ROWS_MAX", 20)
    rows = await exported(office, f"{here}/transactions.csv")
    assert [row["transactionId"] for row in rows] == [f"0000-{number:06d}" for number in range(30, 10, -1)]


async def test_hostile_texts_are_text_and_do_not_break_the_page(office: Office) -> None:
    person, card_id, here = await cardholder(office)
    long = HOSTILE + "W" * 10_000
    await amend(office.world, CARDS, (person.ecosystem_id, card_id), statusReason=long, productId=long)
    ledger = await seed_ledger(office.world, person, card_id, 3)
    await put(office.world, [replace(row, merchant=long, amount=Money(99_999_999_999)) for row in ledger])
    async with office.operator() as desk:
        for width in (1440, 360):
            await desk.page.set_viewport_size({"width": width, "height": 900})
            assert await desk.go(here) == 200
            assert await desk.overflow() <= 0
        assert "<script>alert(1)</script>" in await desk.text("#transactions tbody")
        assert await desk.page.locator("main script").count() == 0
        assert await desk.page.evaluate("document.documentElement.scrollHeight") < 5_000


async def test_what_is_not_there_is_said(office: Office) -> None:
    person = await office.world.person()
    reply = await read(office, f"/console/cards/{person.ecosystem_id}/none")
    assert reply.status_code == 404
    assert "Card not found." in reply.text
