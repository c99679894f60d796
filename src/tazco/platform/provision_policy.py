"""Provisioning of the policy's parameters: a missing one gets its default, an existing one is never touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tazco.platform.policy import TUNABLES
from tazco.platform.resources import Difference

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


@dataclass(slots=True)
class ParameterResource:
    """One parameter; `value` is what SSM holds, None if nothing; `initial` is what it gets then."""

    client: "SSMClient"
    name: str
    tunable: Mapping[str, Any]
    value: str | None
    initial: str
    kind: str = "parameter"

    def look(self) -> Sequence[Difference] | None:
        """A value other than the default is the operator's; values may hold phone numbers and are not shown."""
        if self.value is None:
            return None
        if self.value in (self.initial, self.tunable["default"]):
            return ()
        try:
            self.tunable["read"](self.value)
        except ValueError as error:
            return (Difference(f"operator value, and it is invalid: it {error}"),)
        return (Difference("operator value", by_choice=True),)

    def create(self) -> None:
        """Put the initial value; if somebody was faster, theirs stays."""
        try:
            self.client.put_parameter(
                Name=self.name, Value=self.initial, Type="String", Description=self.tunable["meaning"], Overwrite=False
            )
        except self.client.exceptions.ParameterAlreadyExists:
            self.value = self.client.get_parameter(Name=self.name, WithDecryption=True)["Parameter"].get("Value")
        else:
            self.value = self.initial


def parameters(client: "SSMClient", ssm_prefix: str, initial: Mapping[str, str]) -> list[ParameterResource]:
    """Every tunable that has a default or an `initial` value, with the value that SSM holds for it now, read once."""
    pages = client.get_paginator("get_parameters_by_path").paginate(Path=ssm_prefix, Recursive=True, WithDecryption=True)
    found = {entry.get("Name", ""): entry.get("Value") for page in pages for entry in page.get("Parameters", [])}
    wanted = {name: initial.get(name, field.metadata["default"]) for name, field in TUNABLES.items()}
    return [
        ParameterResource(client, f"{ssm_prefix}/{name}", TUNABLES[name].metadata, found.get(f"{ssm_prefix}/{name}"), value)
        for name, value in wanted.items()
        if value is not None
    ]
