"""The stack of what holds data and rights: it changes rarely, and most of it outlives it."""

from typing import Final

from tazco.deployment.data import key, tables
from tazco.deployment.identity import identity
from tazco.deployment.logs import log_group_id, logs
from tazco.deployment.messages import messages
from tazco.deployment.naming import FIELDS, name_parameters
from tazco.deployment.rights import Kind
from tazco.deployment.roles import RELAYS, role_id, roles
from tazco.deployment.template import Declarations, Json, att, number_parameter, ref, sub, text_parameter
from tazco.deployment.tunables import parameters
from tazco.platform.provision import pool_name
from tazco.platform.settings import Names

LOG_DAYS: Final = 400


def resources_stack(declarations: Declarations) -> Json:
    """The template."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Tazco, what holds data and rights. Generated from the declarations: `make fix` writes it. Do not edit.",
        "Parameters": _parameters(),
        "Conditions": {RELAYS: {"Fn::Equals": [ref("ApiRelaysToo"), "true"]}},
        "Resources": {
            **key(),
            **tables(declarations),
            **identity(),
            **messages(declarations),
            **parameters(),
            **roles(declarations),
            **logs(),
        },
        "Outputs": _outputs(),
    }


def _parameters() -> Json:
    found = name_parameters()
    pool = "Name of the user pool: the table prefix without the separator at its end."
    found["UserPoolName"] = text_parameter(pool_name(Names.model_construct()), pool, AllowedPattern=r"^[\w.-]{1,128}$")
    relays = "Whether `tazco serve` relays too: events then leave in milliseconds, and the API may put events on the bus."
    found["ApiRelaysToo"] = text_parameter("false", relays, AllowedValues=["true", "false"])
    found["LogRetentionDays"] = number_parameter(
        LOG_DAYS, 1, 3653, "How long logs are kept; one of the numbers that CloudWatch takes."
    )
    return found


def _outputs() -> Json:
    """What the service's stack imports, and what people ask for.

    CloudFormation refuses to change a value that another stack imports, so whatever may change later is not among them.
    """
    values = {
        "UserPoolId": ref("UserPool"),
        "UserPoolClientId": ref("UserPoolClient"),
        **{parameter: ref(parameter) for parameter in FIELDS},
        **{role_id(kind) + "Arn": att(role_id(kind), "Arn") for kind in Kind},
        **{log_group_id(kind): ref(log_group_id(kind)) for kind in Kind},
        **{log_group_id(kind) + "Arn": att(log_group_id(kind), "Arn") for kind in Kind},
    }
    return {name: {"Value": value, "Export": {"Name": sub("${AWS::StackName}-" + name)}} for name, value in values.items()}
