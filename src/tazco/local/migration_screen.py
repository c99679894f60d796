"""What `tazco import` and `tazco export` show, to people and to programs."""

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from tazco.kernel.money import to_literal
from tazco.local.terminal import print_table
from tazco.migration.commands.importing import Outcome
from tazco.migration.model import ODDITIES, SHOWN_MAX, Checked, Collection, Findings, Reconciliation

DIGEST_CHARACTERS = 12


def _plain(text: str) -> str:
    """A text out of a file as the terminal may have it: no markup, and what would steer it escaped."""
    return escape("".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text))


def print_checked(console: Console, checked: Checked) -> None:
    """What is in the export, what is odd about it, what is wrong with it."""
    counts = ", ".join(f"{checked.documents[each]:,} {each}" for each in reversed(Collection))
    console.print(f"[bold]export[/] {checked.digest[:DIGEST_CHARACTERS]}: {counts}", soft_wrap=True)
    for oddity, told in checked.findings.oddities.items():
        console.print(f"[yellow]![/] {told.count:,} {oddity}, first {escape(told.first)}: {ODDITIES[oddity]}", soft_wrap=True)
    _print_imbalances(console, checked.findings)
    _print_problems(console, checked.findings)


def _print_imbalances(console: Console, findings: Findings) -> None:
    if findings.problem_count or not findings.imbalance_count:
        return
    console.print(
        f"[yellow]![/] taken over although the transactions do not make the balance, {findings.imbalance_count:,} of the cards:"
    )
    for each in findings.imbalances[:SHOWN_MAX]:
        amounts = f"balance {to_literal(each.balance)}, transactions {to_literal(each.ledger)}"
        console.print(f"  card {_plain(each.card_id)} (line {each.line}): {amounts}", soft_wrap=True)
    _print_rest(console, findings.imbalance_count)


def _print_problems(console: Console, findings: Findings) -> None:
    for problem in findings.problems:
        console.print(f"[red]✗[/] {_plain(str(problem))}", soft_wrap=True)
    _print_rest(console, findings.problem_count)
    if findings.problem_count and not findings.crossed:
        console.print("[dim]What documents say of each other is checked once each is right by itself.[/]", soft_wrap=True)


def _print_rest(console: Console, count: int) -> None:
    if count > SHOWN_MAX:
        console.print(f"  … and {count - SHOWN_MAX:,} more")


def print_outcome(console: Console, outcome: Outcome, seconds: float) -> None:
    """What was written, what was in the way, and the proof."""
    written = outcome.written
    resumed = f", {written.skipped_lines:,} lines were known to be done" if written.skipped_lines else ""
    console.print(
        f"[bold]wrote[/] {written.put:,} rows; {written.there:,} were there already{resumed}; {seconds:.1f} s with the proof"
    )
    for conflict in written.conflicts:
        console.print(f"[red]✗[/] {_plain(conflict)}", soft_wrap=True)
    if outcome.proof is not None:
        _print_proof(console, outcome.proof)


def _print_proof(console: Console, proof: Reconciliation) -> None:
    console.print()
    rows = (
        (name, *(f"{count:,}" for count in (each.expected, each.equal, each.missing, each.different, each.others)))
        for name, each in proof.rows.items()
    )
    print_table(
        ("rows", "in the export", "equal in the tables", "missing", "different", "not of this export"), rows, console, numbers=True
    )
    console.print()
    sums = ((name, to_literal(each.export), to_literal(each.tables)) for name, each in proof.sums.items())
    print_table(("sum", "export", "tables"), sums, console, numbers=True)
    console.print()
    for line in (*proof.rows_off, *proof.cards_off):
        console.print(f"[red]✗[/] {_plain(line)}", soft_wrap=True)
    _print_rest(console, proof.cards_off_count)
    mark = "[green]✓[/]" if proof.exact else "[red]✗[/]"
    even = proof.cards - proof.cards_off_count
    console.print(f"{mark} {even:,} of {proof.cards:,} cards: balance and transactions are those of the export, to the cent")


def checked_as_json(checked: Checked) -> dict[str, Any]:
    """The check for programs."""
    findings = checked.findings
    return {
        "digest": checked.digest,
        "documents": {str(collection): count for collection, count in checked.documents.items()},
        "problemCount": findings.problem_count,
        "problems": [problem.as_json() for problem in findings.problems],
        "oddities": {str(oddity): {"count": told.count, "first": told.first} for oddity, told in findings.oddities.items()},
        "imbalanceCount": findings.imbalance_count,
        "imbalances": [each.as_json() for each in findings.imbalances],
    }


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """What was done and the proof, for programs; amounts as texts."""
    written = outcome.written
    return {
        "rowsPut": written.put,
        "rowsThereAlready": written.there,
        "linesSkipped": written.skipped_lines,
        "conflictCount": written.conflict_count,
        "conflicts": written.conflicts,
        "reconciliation": _proof_as_json(outcome.proof) if outcome.proof else None,
    }


def _proof_as_json(proof: Reconciliation) -> dict[str, Any]:
    return {
        "exact": proof.exact,
        "rows": {
            name: {
                "expected": each.expected,
                "equal": each.equal,
                "different": each.different,
                "missing": each.missing,
                "others": each.others,
            }
            for name, each in proof.rows.items()
        },
        "sums": {name: {"export": to_literal(each.export), "tables": to_literal(each.tables)} for name, each in proof.sums.items()},
        "rowsOff": list(proof.rows_off),
        "cards": proof.cards,
        "cardsOffCount": proof.cards_off_count,
        "cardsOff": list(proof.cards_off),
    }


def print_exported(console: Console, counts: Mapping[Collection, int], folder: str) -> None:
    """What an export has written."""
    rows = ((f"{each}.ndjson", f"{counts[each]:,}") for each in reversed(Collection))
    print_table(("file", "documents"), rows, console, numbers=True)
    console.print(f"\n[green]✓[/] {sum(counts.values()):,} documents in {escape(folder)}", soft_wrap=True)
