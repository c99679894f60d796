"""The policy: every parameter with its value, default, source and history, and the form that changes one."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from tazco.console.frame.api_calls import path_of
from tazco.console.frame.routing import Pages
from tazco.console.frame.visit import Visit
from tazco.kernel.errors import Invalid, Refused
from tazco.platform.http.errors import status_of
from tazco.platform.policy import LOCALES, TUNABLES
from tazco.tuning.commands import SetParameter, set_parameter
from tazco.tuning.model import Parameter, ParameterUnknown
from tazco.tuning.store import history, newest_change, parameters, problem, unapplied

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {"true": ("true", "false"), "false": ("true", "false"), "en": LOCALES}
"""By the default of a parameter: what else it may be, where that is a short list."""

pages = Pages()


async def _in_force(visit: Visit) -> Any:
    """What this process goes by. Every second it is not SSM that is asked: its few calls a second are for the programs."""
    return visit.policy, visit.services.policies.problem


async def _changes(visit: Visit) -> Any:
    change = await newest_change(visit.database, visit.call.path_id("name"))
    return await _in_force(visit), change and change.timestamp


@pages.get("/policy", watch=_in_force)
async def show_policy(visit: Visit) -> Response:
    """Every parameter in groups, as SSM has it at this moment."""
    found = await parameters(visit.services)
    groups: dict[str, list[Parameter]] = {}
    for each in found:
        groups.setdefault(each.name.partition("/")[0] if each.known else "", []).append(each)
    return visit.page("policy.html", groups=groups, problem=problem(visit.services.policies, found))


@pages.get("/policy/{name}", watch=_changes)
async def show_parameter(visit: Visit) -> Response:
    """One parameter, what it was before, and the form that changes it."""
    return await _page(visit)


async def _page(visit: Visit, *, http_status: int = 200, refusal: Refused | None = None) -> Response:
    name = visit.call.path_id("name")
    if name not in TUNABLES:
        raise ParameterUnknown(name)
    services = visit.services
    found, versions, open_change = await asyncio.gather(parameters(services), history(services, name), unapplied(services, name))
    parameter = next(each for each in found if each.name == name)
    return visit.page(
        "parameter.html",
        http_status=http_status,
        refusal=refusal,
        parameter=parameter,
        versions=versions,
        open_change=open_change,
        problem=problem(services.policies, found),
        choices=CHOICES.get(parameter.default or "", ()),
        typed=visit.fields.get("text", parameter.text or parameter.default or ""),
    )


@pages.post("/policy/{name}")
async def change_parameter(visit: Visit) -> Response:
    """Change it, or put it back to its default; a look that is too old is refused."""
    name, fields = visit.call.path_id("name"), visit.fields
    try:
        command = SetParameter(
            name=name,
            text="" if "default" in fields else fields.get("text", ""),
            reason=fields.get("reason", ""),
            expected_version=_version(fields.get("version", "")),
        )
        if not visit.key():
            raise Invalid("The form is incomplete. Load the page again and repeat it.")
        change = await set_parameter(visit.services, visit.call.origin(visit.caller), visit.key(), command)
    except ParameterUnknown:
        raise
    except Refused as refusal:
        return await _page(visit, http_status=status_of(refusal), refusal=refusal)
    return visit.to(path_of("console", "policy", name), said="same" if change.unchanged else "changed")


def _version(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(2**31)):
        raise Invalid("The form is incomplete. Load the page again and repeat it.")
    return int(text)
