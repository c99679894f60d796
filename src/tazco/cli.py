"""Way in: the terminal."""

import asyncio
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tazco import __version__
from tazco.local.endpoints import listens, must_listen
from tazco.local.terminal import EXIT_AMISS, err, fail, failures_explained, out, print_json, print_table
from tazco.local.workspace import FOLDER, PASSWORD_VARIABLE, Workspace, adopt, points_somewhere, read_variables

cli = typer.Typer(
    help="Tazco: the backend of a revolving credit-card programme.\n\n"
    "[bold]tazco dev[/] runs all of it on this machine. While it runs, the other commands find it by themselves.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)
config = typer.Typer(help="Look at the configuration.", no_args_is_help=True)
cli.add_typer(config, name="config")

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def main() -> None:
    """Run the command line; an expected failure is one message with cause and cure."""
    cli()


def adopted() -> str | None:
    """Find a running `tazco dev`, unless the environment already points somewhere; say so, and give the file that told of it."""
    file = Workspace(FOLDER).variables
    if points_somewhere(os.environ) or not file.exists():
        return None
    variables = read_variables(file)
    if not listens(variables["AWS_ENDPOINT_URL"]):
        err.print(f"[yellow]![/] {file} is left from a `tazco dev` that was killed; nothing answers there", soft_wrap=True)
        return None
    adopt(variables, os.environ)
    err.print(f"[dim]using the running `tazco dev` ({file})[/]", soft_wrap=True)
    return str(file)


def version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    """Print the version and end."""
    if wanted:
        out.print(f"tazco {__version__}")
        raise typer.Exit


@cli.callback()
def options(
    _: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version and exit.")] = False,  # noqa: FBT002 - typer
) -> None:
    """Options of every command."""


@cli.command()
def dev(
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the local data first.")] = False,  # noqa: FBT002 - typer
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the API; a free one if it is taken.")] = 3000,
    cloud_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the embedded cloud; 4566 or a free one unless given.")
    ] = None,
    folder: Annotated[Path, typer.Option("--data", help="Where data, logs and tokens go.")] = FOLDER,
) -> None:
    """Run the whole programme here: emulated cloud, API, demo people.

    Ctrl-C stops it; the next start finds the data again. No Docker, no account, nothing outside of this folder.
    """
    from tazco.local.dev import Dev, Plan, run_until_signal
    from tazco.local.screen import print_running
    from tazco.slices import SUBSCRIPTIONS, TABLES

    plan = Plan(
        workspace=Workspace(folder.absolute()),
        tables=TABLES,
        subscriptions=SUBSCRIPTIONS,
        api_port=port,
        cloud_port=cloud_port,
        fresh=fresh,
    )
    starting = Dev(plan, say=lambda step: err.print(f"[dim]·[/] {escape(step)}", soft_wrap=True))
    with failures_explained():
        asyncio.run(run_until_signal(starting, lambda running: print_running(out, running)))
    if not starting.saved:
        fail("Stopped, but not everything is saved; the last snapshot counts.", EXIT_AMISS)
    err.print("[green]✓[/] stopped, everything is saved")


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Instead of TAZCO_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Instead of TAZCO_PORT.")] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,  # noqa: FBT002 - typer
) -> None:
    """Serve the API, as the environment describes it."""
    from tazco.app import serve as serve_api

    adopted()
    with failures_explained():
        code = serve_api(host, port, with_parent=with_parent)
    raise typer.Exit(code)


@cli.command()
def provision(
    check: Annotated[bool, typer.Option("--check", help="Only look; change nothing.")] = False,  # noqa: FBT002 - typer
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Make every table, pool, bus, queue and parameter that the program needs; or say what is missing or differs.

    Safe to repeat: what is there stays, and a parameter that an operator changed is never overwritten.
    """
    adopted()
    findings, ids = _provisioned(check=check)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(("kind", "name", "state", "done", "detail"), ((f.kind, f.name, f.state, f.done, f.detail) for f in findings))
        if ids:
            out.print(f"TAZCO_COGNITO_USER_POOL_ID={ids.user_pool_id}\nTAZCO_COGNITO_CLIENT_IDS={ids.client_id}")
    amiss = [finding for finding in findings if not finding.settled]
    if amiss:
        fail(
            f"{len(amiss)} of {len(findings)} resources are not as declared" + (". Run `tazco provision`." if check else "."),
            EXIT_AMISS,
        )
    err.print(f"[green]✓[/] {len(findings)} resources are as declared")


def _provisioned(*, check: bool) -> tuple[Any, Any]:
    from tazco.platform.cloud import Cloud
    from tazco.platform.provision import Clients, Provisioner
    from tazco.platform.resources import Finding
    from tazco.platform.settings import load_names
    from tazco.slices import SUBSCRIPTIONS, TABLES

    findings: list[Finding] = []
    with failures_explained():
        cloud = Cloud.from_environment()
        must_listen(cloud, "dynamodb", "cognito-idp", "events", "sqs", "ssm")
        provisioner = Provisioner(Clients.of(cloud), load_names(), TABLES, SUBSCRIPTIONS)
        where = cloud.endpoint("dynamodb")
        with err.status(f"{'looking at' if check else 'provisioning'} {where}") as status:

            def told(finding: Finding) -> None:
                findings.append(finding)
                status.update(f"{finding.kind} {finding.name}")

            if check:
                return provisioner.check(), None
            return findings, provisioner.apply(told)


@cli.command()
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


@cli.command()
def doctor(as_json: Json = False) -> None:  # noqa: FBT002 - typer
    """Check everything the program needs, and say the cure of what is wrong."""
    from tazco.local.doctor import Diagnosis, Doctor
    from tazco.local.screen import print_diagnosis
    from tazco.platform.cloud import Cloud
    from tazco.slices import SUBSCRIPTIONS, TABLES
    from tazco.wiring import whatsapp_is_complete

    adopted()
    diagnoses: list[Diagnosis] = []

    def tell(diagnosis: Diagnosis) -> None:
        diagnoses.append(diagnosis)
        if not as_json:
            print_diagnosis(out, diagnosis)

    well = asyncio.run(Doctor(Cloud.from_environment(), TABLES, SUBSCRIPTIONS, whatsapp_is_complete).examine(tell))
    if as_json:
        print_json([asdict(diagnosis) for diagnosis in diagnoses])
    raise typer.Exit(0 if well else EXIT_AMISS)


@cli.command()
def replay(
    file: Annotated[Path, typer.Argument(help="CSV of card histories, columns as in UCI's Default of Credit Card Clients.")],
    api_url: Annotated[str | None, typer.Option(help="Where the API is; TAZCO_HOST and TAZCO_PORT unless given.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Customers at a time.")] = 16,
    first: Annotated[int | None, typer.Option(min=1, help="Only so many customers, from the top of the file.")] = None,
    raise_limits: Annotated[
        bool | None,
        typer.Option(
            "--raise-limits/--no-raise-limits",
            help="Raise the policy's tier limits to what the histories need, and put them back. Default: on a cloud of this machine.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Play real card histories through the running API, then prove in the tables that every cent and every event is there.

    Each customer is a new person with a real token: registers, gets a score from the repayment columns (500, 40 more for a month in
    time, 60 less for each month of lateness and for each statement above the limit), asks for a card, which the score grants at once
    or the operator afterwards; then, April to September, pays what the month says and buys up to the next statement.
    Exit code 1: an answer that the rules do not explain, or a mismatch.
    """
    from tazco.local.replay.progress import plan_of, run_shown
    from tazco.local.replay.report import print_report
    from tazco.platform.cloud import Cloud
    from tazco.platform.settings import load_settings

    adopted()
    with failures_explained():
        cloud = Cloud.from_environment()
        settings = load_settings(cloud)
        plan = plan_of(file, cloud, settings, api_url=api_url, concurrency=concurrency, raise_limits=raise_limits, first=first)
        report = run_shown(plan, err)
    if as_json:
        print_json(report.as_json())
    else:
        print_report(out, report)
    raise typer.Exit(0 if report.ok else EXIT_AMISS)


@config.command("show")
def config_show(as_json: Json = False) -> None:  # noqa: FBT002 - typer
    """Every setting and policy value, and where it comes from; secrets masked."""
    from tazco.local.configuration import policy_entries, read_policy, settings_entries
    from tazco.platform.aws import AwsError, AwsUnreachable
    from tazco.platform.cloud import Cloud
    from tazco.platform.settings import load_settings

    source = adopted()
    with failures_explained():
        cloud = Cloud.from_environment()
        settings = load_settings(cloud)
        entries = settings_entries(cloud, settings, adopted_from=source)
        try:
            policy = policy_entries(asyncio.run(read_policy(cloud, settings.ssm_prefix)))
        except (AwsError, AwsUnreachable) as error:
            policy = []
            err.print(f"[yellow]![/] the policy cannot be read: {escape(str(error))}", soft_wrap=True)
    if as_json:
        print_json({"settings": [asdict(entry) for entry in entries], "policy": [asdict(entry) for entry in policy]})
        return
    print_table(("setting", "value", "from"), ((each.name, each.value, each.origin) for each in entries))
    if policy:
        out.print()
        below = f"policy below {settings.ssm_prefix}/"
        print_table((below, "value", "from"), ((each.name, each.value, each.origin) for each in policy))


if __name__ == "__main__":
    main()
