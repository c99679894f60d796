"""CloudFormation from the declarations: written down, compared with an account, carried out there."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table as Grid

from tazco.local.endpoints import must_listen
from tazco.local.terminal import EXIT_AMISS, confirmed, err, fail, failures_explained, out

if TYPE_CHECKING:
    from tazco.deployment.changes import Change
    from tazco.deployment.deploying import Deployer, Happening, Plan
    from tazco.platform.provision import Provisioner

deploy = typer.Typer(help="Deploy to an AWS account by CloudFormation.", no_args_is_help=True)

COLOURS: Final = {"Add": "green", "Import": "green", "Modify": "yellow", "Remove": "red", "Dynamic": "red"}

Stack = Annotated[str, typer.Argument(metavar="resources|alarms|service", help="Which of the three stacks.")]
StackName = Annotated[
    str | None, typer.Option("--stack", help="Its name in the account; else from the table prefix: tazco-resources.")
]
Parameters = Annotated[list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter of the stack.")]
ImportExisting = Annotated[
    bool, typer.Option("--import-existing", help="Take resources of the same name that are already there into the stack.")
]
OverwritePolicy = Annotated[bool, typer.Option("--overwrite-policy", help="Even if values that operators set are lost.")]


@deploy.command()
def template(
    stack: Stack = "resources",
    folder: Annotated[Path | None, typer.Option("--to", help="Write all three into this folder instead.")] = None,
) -> None:
    """Print a template, or write all of them into a folder."""
    from tazco.deployment.stacks import Stack as Known
    from tazco.deployment.template import readable

    with failures_explained():
        if folder is None:
            typer.echo(readable(_known(stack).template(_declarations())), nl=False)
            return
        folder.mkdir(parents=True, exist_ok=True)
        for each in Known:
            (folder / f"{each}.json").write_text(readable(each.template(_declarations())))
            err.print(f"[green]✓[/] {escape(str(folder / f'{each}.json'))}", soft_wrap=True)


@deploy.command()
def diff(
    stack: Stack = "resources",
    name: StackName = None,
    parameters: Parameters = None,
    import_existing: ImportExisting = False,  # noqa: FBT002 - typer
) -> None:
    """What a deployment would change, as CloudFormation says; nothing is changed."""
    with _failures_told():
        deployment = _Deployment.of(stack, name, parameters)
        plan = deployment.planned(import_existing=import_existing)
        if plan is None:
            return
        try:
            print_plan(plan.changes)
            for warning in deployment.warnings(plan):
                err.print(f"[yellow]![/] {escape(warning)}", soft_wrap=True)
        finally:
            deployment.deployer.discard(plan)


@deploy.command()
def apply(
    stack: Stack = "resources",
    name: StackName = None,
    parameters: Parameters = None,
    import_existing: ImportExisting = False,  # noqa: FBT002 - typer
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - typer
    replace_ledgers: Annotated[bool, typer.Option("--replace-ledgers", help="Even if a table, the people or the key go.")] = False,  # noqa: FBT002 - typer
    overwrite_policy: OverwritePolicy = False,  # noqa: FBT002 - typer
) -> None:
    """Deploy a stack: show what changes, ask, do it, and tell what happens."""
    with _failures_told():
        deployment = _Deployment.of(stack, name, parameters)
        plan = deployment.planned(import_existing=import_existing)
        if plan is None:
            deployment.look_over()
            return
        try:
            print_plan(plan.changes)
            if not replace_ledgers:
                _refuse(deployment.dangers(plan), "--replace-ledgers goes ahead all the same.")
            if not overwrite_policy:
                _refuse(deployment.edited(plan), "--overwrite-policy puts the new defaults there.")
            confirmed(f"Deploy {plan.stack}?", yes=yes)
        except BaseException:
            deployment.deployer.discard(plan)
            raise
        deployment.carry_out(plan)
        deployment.look_over()


class _Deployment:
    """One stack, one template, one account: that of the environment, never a `tazco dev` that happens to run here."""

    def __init__(
        self, deployer: "Deployer", stack: str, template: Any, values: dict[str, str], provisioner: "Provisioner | None"
    ) -> None:
        self.deployer, self.stack, self.template, self.values = deployer, stack, template, values
        self.provisioner = provisioner
        self.emulated = False

    @classmethod
    def of(cls, stack: str, name: str | None, given: Iterable[str] | None) -> "_Deployment":
        from tazco.deployment.deploying import Deployer
        from tazco.deployment.naming import named
        from tazco.deployment.stacks import Stack as Known
        from tazco.platform.cloud import Cloud
        from tazco.platform.provision import Clients, Provisioner
        from tazco.platform.settings import load_names
        from tazco.slices import SUBSCRIPTIONS, TABLES

        cloud, names, known = Cloud.from_environment(), load_names(), _known(stack)
        must_listen(cloud, "cloudformation")
        template = known.template(_declarations())
        values = {**known.parameters(names, template["Parameters"]), **dict(_pairs(given or ()))}
        whole = known is Known.RESOURCES and values.items() >= named(names).items()
        provisioner = Provisioner(Clients.of(cloud), names, TABLES, SUBSCRIPTIONS) if whole else None
        deployment = cls(Deployer.of(cloud), name or known.name_under(names), template, values, provisioner)
        deployment.emulated = cloud.endpoint_override("cloudformation") is not None
        return deployment

    def planned(self, *, import_existing: bool) -> "Plan | None":
        self._refuse_to_relay_without_the_right()
        with err.status(f"asking CloudFormation what would change in {escape(self.stack)}"):
            plan = self.deployer.plan(self.stack, self.template, self.values, import_existing=import_existing)
        if plan is None:
            err.print(f"[green]✓[/] {escape(self.stack)} is as declared; there is nothing to do", soft_wrap=True)
        return plan

    def _refuse_to_relay_without_the_right(self) -> None:
        """An API that relays and may not put events on the bus would hold the shards of relays that may."""
        resources, wanted = self.values.get("ResourcesStack"), self.values.get("ApiRelaysToo")
        if resources and wanted == "true" and self.deployer.parameter_of(resources, "ApiRelaysToo") != "true":
            _refuse(
                [f"{resources} lets no API relay."], f"First: tazco deploy apply resources --stack {resources} -p ApiRelaysToo=true"
            )

    def dangers(self, plan: "Plan") -> list[str]:
        from tazco.deployment.changes import dangers

        return list(dangers(plan.changes, _declarations()))

    def edited(self, plan: "Plan") -> list[str]:
        """Values of operators that would be lost, in sentences."""
        from tazco.deployment.changes import written_parameters

        written = written_parameters(plan.changes, self.template)
        if plan.new or not written:
            return []
        before = written_parameters(plan.changes, self.deployer.template_of(self.stack))
        names = self.deployer.edited(written, before)
        return [f"{each} was set by an operator and would become {written[each]} again" for each in names]

    def warnings(self, plan: "Plan") -> list[str]:
        return [*self.dangers(plan), *self.edited(plan)]

    def carry_out(self, plan: "Plan") -> None:
        """Execute the plan under a line that says how far it is."""
        wanted, done = {change.resource for change in plan.changes}, set[str]()
        with err.status(f"deploying {escape(plan.stack)}") as status:

            def tell(happening: "Happening") -> None:
                print_happening(happening)
                if happening.status.endswith("_COMPLETE"):
                    done.update(wanted & {happening.resource})
                status.update(f"deploying {escape(plan.stack)}: {len(done)} of {len(wanted)}")

            self.deployer.carry_out(plan, tell)
        outputs = self.deployer.outputs(plan.stack)
        for output, value in sorted(outputs.items()):
            out.print(f"{output}={value}", soft_wrap=True)
        err.print(f"[green]✓[/] {escape(plan.stack)} is deployed", soft_wrap=True)

    def look_over(self) -> None:
        """Compare the account with the declarations, as `tazco provision --check` does; fail where it differs.

        An emulator's CloudFormation makes tables without what some properties ask for: there, what is left out is made now.
        """
        if self.provisioner is None:
            return
        with err.status("comparing the account with the declarations"):
            findings = self.provisioner.check()
            left_out = [finding for finding in findings if not finding.settled]
            if left_out and self.emulated:
                self.provisioner.apply(lambda _: None)
                findings = self.provisioner.check()
        for finding in left_out:
            told = f"{finding.kind} {finding.name}: {finding.detail or finding.state}"
            err.print(f"[yellow]![/] left out by this CloudFormation: {escape(told)}", soft_wrap=True)
        amiss = sum(not finding.settled for finding in findings)
        if amiss:
            fail(
                f"{amiss} of {len(findings)} resources are not as declared. `tazco provision` mends what can be mended.", EXIT_AMISS
            )
        made = ", what was left out included" if left_out else ""
        err.print(f"[green]✓[/] {len(findings)} resources are as declared{made}", soft_wrap=True)


def print_plan(changes: "Iterable[Change]") -> None:
    """What would change, one line each, the dangerous in red."""
    grid = Grid("action", "resource", "replaced", "what", box=None, pad_edge=False, header_style="bold")
    for change in changes:
        colour = "red" if change.destroys else COLOURS.get(change.action, "")
        kind = change.kind.removeprefix("AWS::")
        grid.add_row(
            f"[{colour}]{change.action}[/]", f"{escape(change.resource)} [dim]{kind}[/]", change.replacement, escape(change.what)
        )
    out.print(grid)


def print_happening(happening: "Happening") -> None:
    """One event of a stack."""
    failed, done = happening.failed or "ROLLBACK" in happening.status, happening.status.endswith("_COMPLETE")
    mark = "[red]✗[/]" if failed else "[green]✓[/]" if done else "[dim]·[/]"
    reason = f" [dim]{escape(happening.reason)}[/]" if happening.reason else ""
    at = f"[dim]{happening.at:%H:%M:%S}[/]"
    err.print(f"{at} {mark} {happening.status:<18} {escape(happening.resource)}{reason}", soft_wrap=True)


def _refuse(reasons: list[str], way_out: str) -> None:
    from tazco.deployment.deploying import NotDeployed

    if reasons:
        raise NotDeployed("\n".join([*reasons, f"Nothing was done. {way_out}"]))


@contextmanager
def _failures_told() -> Iterator[None]:
    """What a deployer refuses is a message, as everything else that a user can cure."""
    from tazco.deployment.deploying import NotDeployed

    with failures_explained():
        try:
            yield
        except NotDeployed as refusal:
            fail(str(refusal), EXIT_AMISS)


def _known(stack: str) -> Any:
    from tazco.deployment.stacks import Stack as Known

    if stack not in list(Known):
        fail(f"There is no stack {stack!r}. There are {', '.join(Known)}.")
    return Known(stack)


def _declarations() -> Any:
    from tazco.deployment.template import Declarations
    from tazco.slices import SUBSCRIPTIONS, TABLES

    return Declarations(tables=TABLES, subscriptions=SUBSCRIPTIONS)


def _pairs(given: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in given:
        name, found, value = text.partition("=")
        if not name or not found:
            fail(f"--parameter {text!r} is not NAME=VALUE.")
        yield name, value
