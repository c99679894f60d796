"""People for a shell: their tokens, the demo people, an approver's phone."""

import asyncio
import sys
from typing import Annotated

import typer

from tazco.cli.options import Json, adopted
from tazco.local.endpoints import must_be_emulated, must_listen
from tazco.local.terminal import err, failures_explained, print_json
from tazco.local.workspace import PASSWORD_VARIABLE

commands = typer.Typer()


@commands.command()
def token(
    email: Annotated[str, typer.Argument(help="Who, for example low@tazco.local")],
    password: Annotated[str | None, typer.Option(help="The demo people's unless given.", envvar=PASSWORD_VARIABLE)] = None,
    id_token: Annotated[bool, typer.Option("--id", help="The ID token instead of the access token.")] = False,  # noqa: FBT002 - typer
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Print a real token, alone on a line.

    Use it so: curl -H "Authorization: Bearer $(tazco token low@tazco.local)" …
    """
    from tazco.local.people import PASSWORD, Pool
    from tazco.platform.cloud import Cloud
    from tazco.platform.provision import Clients, Provisioned
    from tazco.platform.settings import load_settings

    adopted()
    with failures_explained():
        cloud = Cloud.from_environment()
        settings = load_settings(cloud)
        must_listen(cloud, "cognito-idp")
        ids = Provisioned(user_pool_id=settings.cognito_user_pool_id, client_id=settings.cognito_client_ids[0])
        tokens = Pool(Clients.of(cloud).cognito, ids).sign_in(email, password or PASSWORD)
    if as_json:
        print_json({"accessToken": tokens.access, "idToken": tokens.id})
    else:
        sys.stdout.write((tokens.id if id_token else tokens.access) + "\n")


@commands.command()
def demo(
    api_url: Annotated[str, typer.Option(help="Where the API is.")] = "http://127.0.0.1:3000",
) -> None:
    """Introduce the demo people to a running API over an emulated cloud: an operator, and three scores to play with.

    Safe to repeat. `tazco dev` does it by itself; this is for the containers.
    """
    from tazco.local.people import PASSWORD, PEOPLE, Pool, introduce_at
    from tazco.platform.cloud import Cloud
    from tazco.platform.provision import Clients, Provisioned
    from tazco.platform.settings import load_settings

    adopted()
    with failures_explained():
        cloud = Cloud.from_environment()
        must_be_emulated(cloud, "cognito-idp")
        settings = load_settings(cloud)
        must_listen(cloud, "cognito-idp")
        ids = Provisioned(user_pool_id=settings.cognito_user_pool_id, client_id=settings.cognito_client_ids[0])
        asyncio.run(introduce_at(api_url, Pool(Clients.of(cloud).cognito, ids)))
    err.print(f"[green]✓[/] {', '.join(person.email for person in PEOPLE)}: the password is {PASSWORD}", soft_wrap=True)


@commands.command()
def phone(
    number: Annotated[str | None, typer.Option(help="Whose phone; the only or first approver's unless given.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the thread once.")] = False,  # noqa: FBT002 - typer
    tap: Annotated[str | None, typer.Option(metavar="BUTTON", help="Tap a button of the newest question: approve, reject.")] = None,
    text: Annotated[str | None, typer.Option("--type", metavar="TEXT", help='Write an answer, such as "y 7K3M9QXD".')] = None,
) -> None:
    """Hold an approver's phone: read what Tazco sends, tap a button, type an answer. The stand-in of `tazco dev` carries it."""
    from tazco.local.phone import phone as hold_phone

    adopted()
    with failures_explained():
        hold_phone(number=number, show=show, tap=tap, text=text)
