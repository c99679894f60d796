"""A change set as people read it, and what in it nobody should do by accident."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tazco.deployment.data import table_id
from tazco.deployment.template import Declarations, Json

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ResourceChangeTypeDef

PARAMETER: Final = "AWS::SSM::Parameter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One resource. `replacement` is `yes`, `perhaps` or empty; `what` names the properties that move."""

    action: str
    resource: str
    kind: str
    physical: str
    replacement: str
    what: str

    @property
    def destroys(self) -> bool:
        """The resource may not be the same afterwards."""
        return self.action in ("Remove", "Dynamic") or bool(self.replacement)


def change_of(found: "ResourceChangeTypeDef") -> Change:
    """As CloudFormation describes it."""
    targets = (detail.get("Target", {}) for detail in found.get("Details", []))
    names = dict.fromkeys(target.get("Name") or target.get("Attribute", "") for target in targets)
    replacement = {"True": "yes", "Conditional": "perhaps"}.get(str(found.get("Replacement", "")), "")
    return Change(
        action=str(found.get("Action", "")),
        resource=found.get("LogicalResourceId", ""),
        kind=found.get("ResourceType", ""),
        physical=found.get("PhysicalResourceId", ""),
        replacement=replacement,
        what=", ".join(name for name in names if name),
    )


def dangers(changes: Iterable[Change], declarations: Declarations) -> Iterator[str]:
    """What would take a table, the people or the key away: replaced or out of the stack. Empty in all usual deployments."""
    kept = {*(table_id(table.name) for table in declarations.tables), "Key", "UserPool", "UserPoolClient"}
    for change in changes:
        if change.resource in kept and change.destroys:
            done = "would leave the stack" if change.action == "Remove" else "would be replaced by an empty one"
            certainly = " (perhaps)" if change.replacement == "perhaps" else ""
            yield f"{change.resource} ({change.physical}) {done}{certainly}: {change.what or change.action}"


def written_parameters(changes: Iterable[Change], template: Json) -> dict[str, str]:
    """Parameters of the policy that would be written, by their name in SSM, with the value that they would get."""
    resources = template["Resources"]
    return {
        change.physical: resources[change.resource]["Properties"]["Value"]
        for change in changes
        if change.kind == PARAMETER and change.action == "Modify" and change.resource in resources
    }
