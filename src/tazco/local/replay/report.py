"""What a replay came to: the counts, the speed, the proof; for a person and for a program."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tazco.cards.model import FailureReason
from tazco.local.replay.player import Grant, Played
from tazco.local.replay.reconcile import Check, Reconciliation

SHOWN_MAX: Final = 20
IN_TIME: Final = "every payment is in time by the server's clock; late months only lower the starting score"
MILLISECONDS: Final = 1000
PAYMENT_REASONS: Final = {
    FailureReason.NO_BALANCE: "nothing was owed; April pays a March not in the file",
    FailureReason.AMOUNT_EXCEEDS_BALANCE: "more was paid than was owed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Counts of a replay. Seconds are wall time for `seconds`, of one exchange for the percentiles."""

    run: str
    customers: int
    granted: Counter[Grant]
    purchases: int
    payments: int
    refused: Counter[FailureReason]
    months_without_payment: int
    months_without_purchase: int
    requests: int
    repeats: int
    seconds: float
    p50_seconds: float
    p99_seconds: float
    problems: tuple[tuple[str, str], ...]
    reconciliation: Reconciliation
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Every answer was expected and everything reconciles."""
        return not self.problems and not self.reconciliation.mismatches

    @property
    def declines(self) -> int:
        """Purchases above the available credit."""
        return self.refused[FailureReason.INSUFFICIENT_CREDIT]

    @property
    def refusals(self) -> int:
        """Payments above the balance."""
        return self.refused.total() - self.declines

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "ok": self.ok,
            "run": self.run,
            "customers": self.customers,
            "requests": {"approvedAtOnce": self.granted[Grant.AT_ONCE], "pendingThenApproved": self.granted[Grant.BY_OPERATOR]},
            "purchases": self.purchases,
            "declines": self.declines,
            "payments": self.payments,
            "refusals": self.refusals,
            "refusalReasons": {reason.value: times for reason, times in sorted(self.refused.items())},
            "monthsWithoutPayment": self.months_without_payment,
            "monthsWithoutPurchase": self.months_without_purchase,
            "http": {
                "requests": self.requests,
                "repeats": self.repeats,
                "seconds": round(self.seconds, 3),
                "requestsPerSecond": round(self.requests / self.seconds, 1),
                "p50Milliseconds": round(self.p50_seconds * MILLISECONDS, 1),
                "p99Milliseconds": round(self.p99_seconds * MILLISECONDS, 1),
            },
            "problems": [{"customer": customer, "problem": problem} for customer, problem in self.problems],
            "reconciliation": [
                {
                    "check": check.value,
                    "lookedAt": self.reconciliation.looked_at[check],
                    "mismatches": self.reconciliation.amiss(check),
                }
                for check in Check
            ],
            "mismatches": [
                {"check": each.check.value, "customer": each.customer, "text": each.text} for each in self.reconciliation.mismatches
            ],
            "notes": list(self.notes),
        }


def percentile(values: Iterable[float], percent: int) -> float:
    """The nearest-rank percentile; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0.0


def summed(
    run: str,
    played: Sequence[Played],
    reconciliation: Reconciliation,
    *,
    exchange_seconds: Sequence[float],
    repeats: int,
    seconds: float,
    notes: tuple[str, ...],
) -> Report:
    """The report of what everybody played."""
    return Report(
        run=run,
        customers=len(played),
        granted=Counter(each.grant for each in played if each.grant and each.card_id),
        purchases=sum(len(each.purchases) for each in played),
        payments=sum(len(each.payments) for each in played),
        refused=sum((each.reasons for each in played), Counter()),
        months_without_payment=sum(each.months_without_payment for each in played),
        months_without_purchase=sum(each.months_without_purchase for each in played),
        requests=len(exchange_seconds),
        repeats=repeats,
        seconds=seconds,
        p50_seconds=percentile(exchange_seconds, 50),
        p99_seconds=percentile(exchange_seconds, 99),
        problems=tuple((each.customer, each.problem) for each in played if each.problem),
        reconciliation=reconciliation,
        notes=(*notes, IN_TIME),
    )


def print_report(console: Console, report: Report) -> None:
    """One table of counts, one of proofs, then whatever is amiss."""
    counts = Table(box=None, show_header=False, pad_edge=False)
    counts.add_column(justify="left")
    counts.add_column(justify="right", style="bold")
    counts.add_column(style="dim")
    for row in _count_rows(report):
        counts.add_row(*row)
    console.print(counts)
    console.print()
    proofs = Table("reconciliation", "looked at", "mismatches", box=None, pad_edge=False, header_style="bold")
    for check in Check:
        amiss = report.reconciliation.amiss(check)
        mark = f"[red]✗ {amiss}[/]" if amiss else "[green]✓ 0[/]"
        proofs.add_row(check.value, str(report.reconciliation.looked_at[check]), mark)
    console.print(proofs)
    for note in report.notes:
        console.print(f"[dim]· {escape(note)}[/]")
    amiss_lines = [f"customer {customer}: {problem}" for customer, problem in report.problems]
    amiss_lines += [f"customer {each.customer}: {each.check.value}: {each.text}" for each in report.reconciliation.mismatches]
    for line in amiss_lines[:SHOWN_MAX]:
        console.print(f"[red]✗[/] {escape(line)}", soft_wrap=True)
    if len(amiss_lines) > SHOWN_MAX:
        console.print(f"[red]✗[/] and {len(amiss_lines) - SHOWN_MAX} more; --json lists all")


def _count_rows(report: Report) -> list[tuple[str, str, str]]:
    return [
        ("customers", str(report.customers), f"run {report.run}"),
        ("requests approved at once", str(report.granted[Grant.AT_ONCE]), "with the limit of the tier"),
        (
            "requests pending",
            str(report.granted[Grant.BY_OPERATOR]),
            "then approved, with the limit of the history",
        ),
        ("purchases", str(report.purchases), f"{report.months_without_purchase} months needed none"),
        ("declines", str(report.declines), "purchases above the available credit"),
        ("payments", str(report.payments), f"{report.months_without_payment} months had none"),
        ("refusals", str(report.refusals), "payments above the balance"),
        *((f"  {reason.value}", str(times), why) for reason, why in PAYMENT_REASONS.items() if (times := report.refused[reason])),
        ("HTTP requests", str(report.requests), f"{report.repeats} repeated" if report.repeats else "none repeated"),
        ("requests/s", f"{report.requests / report.seconds:.0f}", f"in {report.seconds:.1f} s, sign-in included"),
        ("p50 / p99", f"{report.p50_seconds * MILLISECONDS:.1f} / {report.p99_seconds * MILLISECONDS:.1f} ms", "of one exchange"),
    ]
