"""The names under which everything stands: parameters of the stacks, filled in from the settings."""

from typing import Final

from tazco.deployment.template import Json, text_parameter
from tazco.platform.provision import pool_name
from tazco.platform.settings import Names

FIELDS: Final = {
    "TablePrefix": "table_prefix",
    "SsmPrefix": "ssm_prefix",
    "EventBus": "event_bus",
    "EventSource": "event_source",
}
"""Parameter of a stack → field of the settings."""


def named(names: Names) -> dict[str, str]:
    """What the parameters are under these names."""
    return {**{parameter: getattr(names, field) for parameter, field in FIELDS.items()}, "UserPoolName": pool_name(names)}


def name_parameters(*wanted: str) -> Json:
    """Some of these parameters, or all of them; defaults and patterns are those of the settings."""
    return {parameter: _parameter(field) for parameter, field in FIELDS.items() if parameter in (wanted or FIELDS)}


def _parameter(field: str) -> Json:
    declared = Names.model_fields[field]
    pattern = next(each.pattern for each in declared.metadata if hasattr(each, "pattern"))
    return text_parameter(declared.default, str(declared.description), AllowedPattern=pattern)
