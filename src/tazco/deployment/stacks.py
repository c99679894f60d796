"""The stacks by name, as templates and as files."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tazco.deployment.alarms_stack import alarms_stack
from tazco.deployment.naming import named
from tazco.deployment.resources_stack import resources_stack
from tazco.deployment.service_stack import service_stack
from tazco.deployment.template import Declarations, Json
from tazco.platform.provision import pool_name
from tazco.platform.settings import Names

TEMPLATE_BYTES_MAX: Final = 51_200
"""What CloudFormation takes in a call; more would need a bucket."""


class Stack(StrEnum):
    """One template each, in the order in which they are made."""

    RESOURCES = "resources"
    ALARMS = "alarms"
    SERVICE = "service"

    def template(self, declarations: Declarations) -> Json:
        """The stack as CloudFormation wants it."""
        return _TEMPLATES[self](declarations)

    def name_under(self, names: Names) -> str:
        """`tazco-resources`: the stack's name in the account unless another one is given."""
        return f"{pool_name(names)}-{self}"

    def parameters(self, names: Names, declared: Mapping[str, object]) -> dict[str, str]:
        """What follows from the settings, of the parameters that the template declares."""
        known = {**named(names), "ResourcesStack": Stack.RESOURCES.name_under(names)}
        return {parameter: value for parameter, value in known.items() if parameter in declared}


_TEMPLATES: Final = {
    Stack.RESOURCES: resources_stack,
    Stack.ALARMS: alarms_stack,
    Stack.SERVICE: service_stack,
}
