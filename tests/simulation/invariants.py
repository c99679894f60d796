"""The invariants, judged from the tables past the program: with arithmetic of their own, and against what clients were told."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from tazco.platform.codec import Item
from tests.simulation.cloud import APPROVERS, NAMES, SimCloud
from tests.simulation.history import History, Op, cents, contradictions

SCORE_AT_START: Final = 500
LIMITS: Final = {"low": 50_000, "medium": 150_000, "high": 300_000}

Row = Mapping[str, Any]


def plain(item: Item) -> dict[str, Any]:
    """A row as plain values."""
    return {name: _value(value) for name, value in item.items()}


def _value(value: Mapping[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    return int(inner) if kind == "N" else inner


def half_up(value: Decimal) -> int:
    """Rounded to a whole number, halves away from zero."""
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))


def minimum_payment(balance: int) -> int:
    """2 % of the balance, at least 25.00, at most the balance; in cents."""
    return 0 if balance <= 0 else min(balance, max(2_500, half_up(Decimal(balance) * 2 / 100)))


def instant(text: str) -> datetime:
    """As tables spell it."""
    return datetime.fromisoformat(text)


@dataclass(slots=True)
class Books:
    """The tables at one instant, and everything that was in the outbox since the beginning (TTL deletes what has left)."""

    cloud: SimCloud
    events: dict[str, dict[str, Any]] = field(default_factory=dict)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table."""
        items = self.cloud.raw(NAMES.table_prefix + table)
        return [plain(item) for rows in list(items.values()) for item in list(rows.values())]

    def gather(self) -> None:
        """Remember the outbox as it is."""
        for row in self.rows("outbox"):
            self.events[row["eventId"]] = {**row, "payload": json.loads(row["payload"], parse_float=Decimal)}

    def of_type(self, *types: str) -> list[dict[str, Any]]:
        """Events of some types."""
        return [event for event in self.events.values() if event["eventType"] in types]

    def streams(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """Events by aggregate, in order."""
        found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for event in self.events.values():
            found[event["aggregateType"], event["aggregateId"]].append(event)
        return {key: sorted(events, key=lambda event: event["sequence"]) for key, events in found.items()}


def violations(books: Books, history: History, *, since: datetime, drained: bool = True) -> list[str]:
    """Everything that is wrong; empty when all is well. `drained` also wants every event gone and acted upon."""
    books.gather()
    found = contradictions(history.ops)
    found += _money(books, history)
    found += _ledger_follows_events(books)
    found += _scores(books, history)
    found += _sequences(books)
    found += _beginnings(books)
    found += _requests(books, history)
    found += _trackers(books)
    found += _people(books, history)
    found += _audit(books, history)
    if drained:
        found += _published(books)
        found += _tallied(books, since)
        found += _notified(books)
    return found


def _money(books: Books, history: History) -> list[str]:
    """I1, I2, I3: the ledger has exactly what clients were told, and the balance is its sum."""
    found: list[str] = []
    entries = books.rows("transactions")
    told = {op.final.body["transaction"]["transactionId"]: op for op in history.of("purchase", "payment") if op.done and op.final}
    by_id = {entry["transactionId"]: entry for entry in entries}
    if len(told) != sum(op.done for op in history.of("purchase", "payment")):
        found.append("I2: two commands were told of one transaction: an answer was given again after its time")
    completed = {key for key, entry in by_id.items() if entry["status"] == "completed"}
    found += [f"I1: acknowledged and lost: {told[key].kind} {told[key].key}" for key in told.keys() - completed]
    found += [f"I2: in the ledger and told to nobody: {by_id[key]}" for key in completed - told.keys()]
    for key in told.keys() & completed:
        if by_id[key]["amount"] != cents(told[key].body["amount"]):
            found.append(f"I1: {told[key].kind} {told[key].key} is in the ledger with {by_id[key]['amount']}")
    failed = Counter((entry["cardId"], entry["type"]) for entry in entries if entry["status"] == "failed")
    declined = Counter((op.card, op.kind) for op in history.ops if op.declined)
    if failed != declined:
        found.append(f"I1: declines told {declined - failed} not recorded, recorded {failed - declined} not told")
    return found + _balances(books, [by_id[key] for key in completed])


def _balances(books: Books, completed: list[dict[str, Any]]) -> list[str]:
    """I3: what cards say of themselves follows from their ledgers."""
    found: list[str] = []
    sums: Counter[str] = Counter()
    for entry in completed:
        sums[entry["cardId"]] += entry["amount"] if entry["type"] == "purchase" else -entry["amount"]
    for card in books.rows("cards"):
        balance = card["balance"]
        if balance != sums[card["cardId"]]:
            found.append(f"I3: card {card['cardId']} has {balance}, its ledger {sums[card['cardId']]}")
        if not 0 <= balance <= card["limit"]:
            found.append(f"I3: card {card['cardId']} has {balance} of {card['limit']}")
        if card["availableCredit"] != card["limit"] - balance:
            found.append(f"I3: card {card['cardId']} has {card['availableCredit']} left of {card['limit']} with {balance}")
        if card["minimumPayment"] != minimum_payment(balance):
            found.append(f"I3: card {card['cardId']} asks for {card['minimumPayment']} of {balance}")
    return found


def _ledger_follows_events(books: Books) -> list[str]:
    """I3, I4: along the events of a card the balance moves by the amounts, and points follow the rules."""
    found: list[str] = []
    told = {event["payload"].get("transactionId") for event in books.of_type(*MONEY, "transaction.declined")}
    entries = {entry["transactionId"] for entry in books.rows("transactions")}
    found += [f"I4: transaction {key} has no event" for key in entries - told]
    found += [f"I4: an event tells of transaction {key}, which is not in the ledger" for key in told - entries]
    cards = [(card_id, events) for (kind, card_id), events in books.streams().items() if kind == "card"]
    awarded: dict[str, datetime | None] = {}
    for card_id, events in sorted(cards, key=lambda each: str(each[1][0]["occurredAt"])):
        owner = events[0]["ecosystemId"]
        faults, awarded[owner] = _walk(card_id, events, awarded.get(owner))
        found += faults
    return found


MONEY: Final = ("transaction.purchase", "transaction.payment")


def _walk(card_id: str, events: list[dict[str, Any]], awarded: datetime | None) -> tuple[list[str], datetime | None]:
    """What is wrong along one card; a new card inherits when its owner last earned points, and passes it on."""
    found: list[str] = []
    balance, limit, due, minimum = 0, 0, None, 0
    for event in events:
        payload, at = event["payload"], instant(event["occurredAt"])
        if event["eventType"] == "card.approved":
            limit, due = cents(payload["approvedLimit"]), at + timedelta(days=30)
        elif event["eventType"] in MONEY and due is not None:
            amount, before = cents(payload["amount"]), balance
            if event["eventType"] == "transaction.purchase":
                balance += amount
                if before == 0 and due < at:
                    due = at + timedelta(days=30)
            else:
                balance -= amount
                late = at.date() > due.date()
                if payload["scoreImpact"] != points(amount, before, at, due, awarded):
                    found.append(f"I3: {event['eventId']} gave {payload['scoreImpact']} points for {amount} of {before}")
                if (payload["paymentStatus"] == "late") != late:
                    found.append(f"I3: {event['eventId']} was {payload['paymentStatus']}, due {due}, paid {at}")
                awarded = at if payload["scoreImpact"] > 0 else awarded
                if amount >= minimum or balance == 0:
                    due = at + timedelta(days=30)
            minimum = minimum_payment(balance)
            if cents(payload["newBalance"]) != balance or cents(payload["newAvailableCredit"]) != limit - balance:
                found.append(f"I3: {event['eventId']} says {payload['newBalance']}, the events of card {card_id} say {balance}")
    return found, awarded


def points(paid: int, owed: int, at: datetime, due: datetime, awarded: datetime | None) -> int:
    """What a payment earns or costs, by docs/rules.md."""
    if at.date() > due.date():
        days = -((due - at) // timedelta(days=1))
        return -20 if days <= 7 else -50 if days <= 30 else -100  # the default policy
    if awarded is not None and at - awarded < timedelta(days=30):
        return 0
    return half_up(10 + Decimal(40) * paid / owed)


def _scores(books: Books, history: History) -> list[str]:
    """The history of a score leads from the beginning to the present; each step has one event."""
    found: list[str] = []
    steps: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for step in books.rows("scores"):
        steps[step["ecosystemId"]].append(step)
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in books.of_type("score.changed"):
        told[event["ecosystemId"]].append(event)
    for person in books.rows("users"):
        own = steps[person["ecosystemId"]]
        moved = SCORE_AT_START + sum(step["delta"] for step in own)
        if moved != person["currentScore"] or not 0 <= moved <= 1000:  # the scale
            found.append(f"I3: {person['ecosystemId']} has score {person['currentScore']}, the history says {moved}")
        score = SCORE_AT_START
        for event in sorted(told[person["ecosystemId"]], key=lambda event: event["sequence"]):
            payload = event["payload"]
            if payload["previousScore"] != score:
                found.append(f"I4: {event['eventId']} goes on from {payload['previousScore']}, the score was {score}")
            score = payload["newScore"]
        if len(own) != len(told[person["ecosystemId"]]):
            found.append(f"I4: {person['ecosystemId']} has {len(own)} steps and {len(told[person['ecosystemId']])} events")
    by_operators = sum(step["source"] == "admin" for step in books.rows("scores"))
    if by_operators != sum(op.done for op in history.of("score")):
        found.append(f"I2: {by_operators} scores were set, {sum(op.done for op in history.of('score'))} told")
    return found


AGGREGATES: Final = (("card", "cards", "cardId"), ("user", "users", "ecosystemId"), ("cardRequest", "card-requests", "requestId"))


def _sequences(books: Books) -> list[str]:
    """I4: events of an aggregate are numbered 1, 2, 3 … up to what its row says, each naming the one before."""
    found: list[str] = []
    streams = books.streams()
    for (kind, key), events in streams.items():
        numbers = [event["sequence"] for event in events]
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(f"I4: events of {kind} {key} are numbered {numbers}")
        before = None
        for event in events:
            if event.get("previousEventId") != before:
                found.append(f"I4: {event['eventId']} follows {event.get('previousEventId')}, not {before}")
            before = event["eventId"]
    for kind, table, name in AGGREGATES:
        for row in books.rows(table):
            events = streams.get((kind, row[name]), [])
            if row["sequence"] != len(events) or row.get("lastEventId") != (events[-1]["eventId"] if events else None):
                found.append(f"I4: {kind} {row[name]} counts {row['sequence']} events, the outbox has {len(events)}")
    return found


FIRST: Final = {"card": "card.approved", "user": "user.created", "cardRequest": "card.requested"}


def _beginnings(books: Books) -> list[str]:
    """I4: whatever there is began with its event."""
    streams = books.streams()
    begun = {key: events[0]["eventType"] for key, events in streams.items()}
    return [
        f"I4: {kind} {row[name]} began with {begun.get((kind, row[name]))}"
        for kind, table, name in AGGREGATES
        for row in books.rows(table)
        if begun.get((kind, row[name])) != FIRST[kind]
    ]


def _trackers(books: Books) -> list[str]:
    """I6: an answer is awaited of no request that is decided, and a code stands for its request."""
    status = {row["requestId"]: row["status"] for row in books.rows("card-requests")}
    rows = books.rows("pending-approvals")
    trackers = [row for row in rows if "pointsTo" not in row]
    open_still = [row["requestId"] for row in trackers if row["status"] == "pending"]
    found = [
        f"I6: request {key} is {status.get(key)}, an answer is awaited all the same"
        for key in open_still
        if status.get(key) != "pending"
    ]
    codes = {row["requestId"]: row["pointsTo"] for row in rows if "pointsTo" in row}
    wanted = {f"code#{row['code']}": row["requestId"] for row in trackers}
    return found + ([f"I6: codes {codes} stand for {wanted}"] if codes != wanted else [])


def _requests(books: Books, history: History) -> list[str]:
    """I1, I2, I6: requests are those that were told of, each decided at most once, and as it was told."""
    found: list[str] = []
    rows = {row["requestId"]: row for row in books.rows("card-requests")}
    told = {op.final.body["request"]["requestId"] for op in history.of("ask") if op.done and op.final}
    found += [f"I1: request {key} was acknowledged and is lost" for key in told - rows.keys()]
    found += [f"I2: request {key} exists and was told to nobody" for key in rows.keys() - told]
    decisions: dict[str, list[str]] = defaultdict(list)
    for event in books.of_type("card.approved", "card.rejected"):
        decisions[event["payload"]["requestId"]].append(event["eventType"])
    claimed, contradicting = _claims(history)
    found += contradicting
    for key, row in rows.items():
        if len(decisions[key]) != (row["status"] != "pending") or len(claimed[key]) > 1:
            found.append(f"I6: request {key} is {row['status']}, decided by {decisions[key]}, claimed by {claimed[key]}")
        if any(claim.startswith("approve") != (row["status"] == "approved") for claim in claimed[key]):
            found.append(f"I6: request {key} is {row['status']}, but {claimed[key]}")
    granted = Counter(card.get("requestId") for card in books.rows("cards"))
    found += [f"I6: request {key} granted {number} cards" for key, number in granted.items() if number != 1]
    return found


def _claims(history: History) -> tuple[dict[str, list[str]], list[str]]:
    """Who was told to have decided which request; and messages of which different things were told."""
    found: list[str] = []
    claimed: dict[str, list[str]] = defaultdict(list)
    for op in history.of("approve", "reject"):
        if op.done and op.final:
            claimed[op.final.body["request"]["requestId"]].append(f"{op.kind} {op.key}")
    for message, results in history.taps.items():
        outcomes = {json.dumps(result, sort_keys=True) for result in results}
        if len(outcomes) > 1:
            found.append(f"I6: message {message} had several outcomes: {sorted(outcomes)}")
        if results and results[0]["action"] in ("approved", "rejected"):
            claimed[results[0]["requestId"]].append(f"{results[0]['action']} by {message}")
    return claimed, found


def _people(books: Books, history: History) -> list[str]:
    """I1, I5: everybody who registered is there once, with at most one open card and request, as the guards say."""
    found: list[str] = []
    people = {person["ecosystemId"]: person for person in books.rows("users")}
    found += [f"I1: {who} registered and is lost" for who in history.registered - people.keys()]
    cards: dict[str, list[str]] = defaultdict(list)
    for card in books.rows("cards"):
        if card["status"] != "cancelled":
            cards[card["ecosystemId"]].append(card["cardId"])
    pending: dict[str, list[str]] = defaultdict(list)
    for row in books.rows("card-requests"):
        if row["status"] == "pending":
            pending[row["ecosystemId"]].append(row["requestId"])
    for who, person in people.items():
        if cards[who] != list(filter(None, [person.get("activeCardId")])):
            found.append(f"I5: {who} has cards {cards[who]}, the guard says {person.get('activeCardId')}")
        if pending[who] != list(filter(None, [person.get("openRequestId")])):
            found.append(f"I5: {who} has requests {pending[who]}, the guard says {person.get('openRequestId')}")
    return found


DEEDS: Final = {
    "card.suspended": "card.suspended",
    "card.reactivated": "card.reactivated",
    "card_request.rejected": "card.rejected",
}


def _audit(books: Books, history: History) -> list[str]:
    """I7: every deed has one entry, and every entry a deed."""
    entries = books.rows("audit-logs")
    count = Counter(entry["action"] for entry in entries)
    expected: Counter[str] = Counter()
    for action, event_type in DEEDS.items():
        expected[action] = len(books.of_type(event_type))
    expected["card.cancelled"] = sum(event["payload"].get("adminId") is not None for event in books.of_type("card.cancelled"))
    expected["card_request.approved"] = sum(event["payload"]["source"] == "admin" for event in books.of_type("card.approved"))
    expected["score.adjusted"] = sum(op.done for op in history.of("score"))
    expected["event.redriven"] = sum(op.done for op in history.of("redrive"))
    found = [
        f"I7: {number} deeds {action}, {count[action]} entries" for action, number in expected.items() if count[action] != number
    ]
    for person in books.rows("users"):
        own = [entry["action"] for entry in entries if entry["targetId"] == person["ecosystemId"] and entry["targetType"] == "user"]
        surplus = own.count("user.disabled") - own.count("user.enabled")
        if surplus != (person["status"] == "disabled"):
            found.append(f"I7: {person['ecosystemId']} is {person['status']} after {own.count('user.disabled')} disablings")
    return found


def _published(books: Books) -> list[str]:
    """I4, I9: nothing waits to leave."""
    waiting = [row for row in books.rows("outbox") if "pendingShard" in row]
    return [f"I9: event {row['eventId']} has not left: {row['pendingShard']} {row.get('lastError', '')}" for row in waiting]


TALLIED: Final = {
    "requested": "card.requested",
    "rejected": "card.rejected",
    "expired": "card_request.expired",
    "purchases": "transaction.purchase",
    "payments": "transaction.payment",
    "declines": "transaction.declined",
}


def _tallied(books: Books, since: datetime) -> list[str]:
    """I5: each event since an instant was counted exactly once."""
    first = f"hour#{since:%Y-%m-%dT%H}"
    rows = [row for row in books.rows("idempotency") if row["keyHash"].startswith("hour#") and row["keyHash"] >= first]
    found: list[str] = []
    for name, event_type in TALLIED.items():
        counted = sum(row[name] for row in rows)
        happened = sum(instant(event["occurredAt"]) >= since for event in books.of_type(event_type))
        if counted != happened:
            found.append(f"I5: {happened} {event_type} happened, {counted} were counted")
    return found


def _notified(books: Books) -> list[str]:
    """I5: each approver has one notification of each payment, at most one of each request, and nothing waits to be sent."""
    rows = books.rows("whatsapp-notifications")
    found = [f"I9: notification {row['notificationId']} waits: {row['deliveryStatus']}" for row in rows if "nextAttemptAt" in row]
    phones = {phone for _, phone in APPROVERS}
    told = Counter(
        (row["relatedEntityId"], row["recipientPhone"]) for row in rows if row["notificationType"] == "payment_notification"
    )
    paid = [event["payload"]["transactionId"] for event in books.of_type("transaction.payment")]
    found += [f"I5: payment {key}: {told[key, phone]} notices" for key in paid for phone in phones if told[key, phone] != 1]
    asked = Counter(
        (row["relatedEntityId"], row["recipientPhone"]) for row in rows if row["notificationType"] == "card_request_approval"
    )
    found += [f"I5: {number} questions about {key}" for key, number in asked.items() if number > 1]
    unfinished = [row for row in books.rows("whatsapp-inbound") if "outcome" not in row]
    found += [f"I9: message {row['messageId']} is unfinished" for row in unfinished]
    return found


def doubled_or_lost(found: Iterable[str]) -> Counter[str]:
    """How many of each kind, for the record."""
    kinds = {"I1": "lost", "I2": "doubled", "I5": "doubled", "I9": "stuck", "I3": "wrong balance"}
    return Counter(kinds.get(each[:2], "other") for each in found)


__all__ = ["Books", "Op", "violations"]
