"""What the programme needs in an account: made, checked, shown."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tazco.cli.options import Json, adopted
from tazco.local.endpoints import must_be_emulated, must_listen
from tazco.local.terminal import EXIT_AMISS, err, fail, failures_explained, out, print_json, print_table
from tazco.local.workspace import Workspace

commands = typer.Typer()
config = typer.Typer(help="Look at the configuration.", no_args_is_help=True)


@commands.command()
def provision(
    check: Annotated[bool, typer.Option("--check", help="Only look; change nothing.")] = False,  # noqa: FBT002 - typer
    env_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write what the processes must be told of the pool, as a .env file.")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="For a sandbox: with an approver, whom the stand-in plays.")] = False,  # noqa: FBT002 - typer
    as_json: Json = False,  # noqa: FBT002 - typer
) -> None:
    """Make every table, pool, bus, queue and parameter that the program needs; or say what is missing or differs.

    Safe to repeat: what is there stays, and a parameter that an operator changed is never overwritten.
    """
    adopted()
    findings, variables = _provisioned(check=check, demo=demo)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(("kind", "name", "state", "done", "detail"), ((f.kind, f.name, f.state, f.done, f.detail) for f in findings))
        for name, value in variables.items():
            out.print(f"{name}={value}", soft_wrap=True)
    if env_file and variables:
        with failures_explained():
            Workspace(env_file.parent).write_variables(env_file, variables)
    amiss = [finding for finding in findings if not finding.settled]
    if amiss:
        fail(
            f"{len(amiss)} of {len(findings)} resources are not as declared" + (". Run `tazco provision`." if check else "."),
            EXIT_AMISS,
        )
    err.print(f"[green]✓[/] {len(findings)} resources are as declared")


def _provisioned(*, check: bool, demo: bool) -> tuple[Any, dict[str, str]]:
    from tazco.local.programme import POLICY, pool_variables
    from tazco.platform.cloud import Cloud
    from tazco.platform.provision import Clients, Provisioner
    from tazco.platform.resources import Finding
    from tazco.platform.settings import load_names
    from tazco.slices import SUBSCRIPTIONS, TABLES

    findings: list[Finding] = []
    with failures_explained():
        cloud = Cloud.from_environment()
        must_listen(cloud, "dynamodb", "cognito-idp", "events", "sqs", "ssm")
        if demo:
            must_be_emulated(cloud, "ssm")
        provisioner = Provisioner(Clients.of(cloud), load_names(), TABLES, SUBSCRIPTIONS, POLICY if demo else {})
        where = cloud.endpoint("dynamodb")
        with err.status(f"{'looking at' if check else 'provisioning'} {where}") as status:

            def told(finding: Finding) -> None:
                findings.append(finding)
                status.update(f"{finding.kind} {finding.name}")

            if check:
                return provisioner.check(), {}
            return findings, pool_variables(provisioner.apply(told), cloud.endpoint_override("cognito-idp"))


@commands.command()
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
