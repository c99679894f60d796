"""What `tazco dev` and `tazco doctor` show."""

import shlex

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tazco.local.dev import Running
from tazco.local.doctor import Diagnosis, Verdict
from tazco.local.people import PASSWORD, PEOPLE
from tazco.users.model import tier_of

MARKS = {Verdict.OK: "[green]✓[/]", Verdict.WARN: "[yellow]![/]", Verdict.FAIL: "[red]✗[/]"}


def print_running(console: Console, running: Running) -> None:
    """One screen: what runs where, who there is, and three lines to paste."""
    workspace = running.workspace
    console.print(f"\n[bold green]Tazco is ready[/] after {running.seconds:.1f} s. Ctrl-C stops it and keeps the data.\n")
    places = Table(box=None, show_header=False, pad_edge=False)
    for name, place in (
        ("operators' console", f"{running.api_url}/console"),
        ("API", running.api_url),
        ("its documentation", f"{running.api_url}/docs"),
        ("embedded cloud", f"{running.cloud_url}"),
        ("WhatsApp", "a stand-in; `tazco phone` is an approver's phone"),
        ("data and logs", f"{workspace.folder}"),
    ):
        places.add_row(name, place)
    console.print(places, soft_wrap=True)
    console.print(f"\n[bold]People[/], all with the password [bold]{PASSWORD}[/]\n")
    people = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("token in", "e-mail", "score", "tier", ""):
        people.add_column(title)
    for demo in PEOPLE:
        score = running.people.scores.get(demo.name)
        what = "operator" if demo.operator else "has a card, $CARD" if demo.name == "HIGH" and running.people.card_id else ""
        if score is None:
            people.add_row(f"${demo.name}", demo.email, "-", "-", "disabled by an operator")
        else:
            people.add_row(f"${demo.name}", demo.email, str(score), tier_of(score).value, what)
    console.print(people)
    console.print("\n[bold]Paste[/] (tokens last an hour; `tazco token low@tazco.local` prints a new one)\n")
    for line in curl_lines(running):
        console.print(line, soft_wrap=True, markup=False)
    console.print(f"\n[bold]A token[/] of {PEOPLE[1].email}, for the documentation's Authorize button\n")
    console.print(running.people.tokens["HIGH"].access, soft_wrap=True, markup=False)
    for note in running.notes:
        console.print(f"[yellow]![/] {escape(note)}", soft_wrap=True)
    console.print()


def curl_lines(running: Running) -> tuple[str, ...]:
    """The tokens into the shell, then three calls: look, buy, ask."""
    api, tokens = running.api_url, running.workspace.tokens
    key = '-H "Idempotency-Key: $(date +%s%N)"'
    return (
        f". {shlex.quote(str(tokens))}",
        f'curl {api}/v1/dashboard -H "Authorization: Bearer $HIGH"',
        f'curl {api}/v1/cards/$CARD/transactions/purchases -H "Authorization: Bearer $HIGH" {key} -d \'{{"amount":42.5,"merchant":"Corner Shop"}}\'',
        f'curl {api}/v1/cards/requests -H "Authorization: Bearer $LOW" {key} -d \'{{"productId":"default-credit-card"}}\'',
    )


def print_diagnosis(console: Console, diagnosis: Diagnosis) -> None:
    """One line a check, and one for the cure."""
    console.print(f"{MARKS[diagnosis.verdict]} [bold]{diagnosis.check}[/]: {escape(diagnosis.found)}", soft_wrap=True)
    if diagnosis.cure:
        console.print(f"  → {escape(diagnosis.cure)}", soft_wrap=True)
