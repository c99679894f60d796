"""The policy's parameters.

CloudFormation touches a parameter only when its declaration here changes, and then puts the whole of it, whatever an operator has
made of the value. So a parameter says nothing here but its name and its default: a reworded description must be no reason to
write. Where the default itself changes, `tazco deploy apply` looks at what SSM holds before it goes ahead.
"""

from tazco.deployment.data import KEPT
from tazco.deployment.template import Json, logical, sub
from tazco.platform.policy import TUNABLES


def parameters() -> Json:
    """Every tunable that has a default; what an operator set outlives the stack."""
    return {
        logical("policy", *name.split("/")): {
            "Type": "AWS::SSM::Parameter",
            **KEPT,
            "Properties": {"Name": sub("${SsmPrefix}/" + name), "Type": "String", "Value": field.metadata["default"]},
        }
        for name, field in TUNABLES.items()
        if field.metadata["default"] is not None
    }
