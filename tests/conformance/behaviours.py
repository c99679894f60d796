"""Declarations: each behaviour is one test function, and says of which service, in a sentence, and where AWS documents it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

Test = TypeVar("Test", bound=Callable[..., Any])

DOCUMENTATION: Final = "https://docs.aws.amazon.com/"


class Service(StrEnum):
    """The five services, in the order in which the page shows them."""

    DYNAMODB = "dynamodb"
    COGNITO = "cognito-idp"
    EVENTBRIDGE = "events"
    SQS = "sqs"
    SSM = "ssm"

    @property
    def label(self) -> str:
        """As people call it."""
        return TITLES[self]

    def api(self, page: str) -> str:
        """A page of the service's API reference: an operation, or a type."""
        return f"{DOCUMENTATION}{REFERENCES[self]}/API_{page}.html"

    def guide(self, page: str) -> str:
        """A page of the service's guide for developers."""
        name, _, anchor = page.partition("#")
        return f"{DOCUMENTATION}{GUIDES[self]}/{name}.html{'#' if anchor else ''}{anchor}"


TITLES: Final = {
    Service.DYNAMODB: "DynamoDB",
    Service.COGNITO: "Cognito",
    Service.EVENTBRIDGE: "EventBridge",
    Service.SQS: "SQS",
    Service.SSM: "SSM Parameter Store",
}
REFERENCES: Final = {
    Service.DYNAMODB: "amazondynamodb/latest/APIReference",
    Service.COGNITO: "cognito-user-identity-pools/latest/APIReference",
    Service.EVENTBRIDGE: "eventbridge/latest/APIReference",
    Service.SQS: "AWSSimpleQueueService/latest/APIReference",
    Service.SSM: "systems-manager/latest/APIReference",
}
GUIDES: Final = {
    Service.DYNAMODB: "amazondynamodb/latest/developerguide",
    Service.COGNITO: "cognito/latest/developerguide",
    Service.EVENTBRIDGE: "eventbridge/latest/userguide",
    Service.SQS: "AWSSimpleQueueService/latest/SQSDeveloperGuide",
    Service.SSM: "systems-manager/latest/userguide",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One thing that Tazco relies on; `name` and `module` are those of its test, `source` is the page that says so."""

    name: str
    module: str
    service: Service
    text: str
    source: str


BEHAVIOURS: dict[str, Behaviour] = {}
"""Every declared behaviour by name, in the order in which they were imported; complete once the tests have been imported."""


def behaviour(service: Service, text: str, *, api: str = "", guide: str = "", source: str = "") -> Callable[[Test], Test]:
    """Declare what a test checks. The page that documents it is one of the API reference, of the guide, or any other by its address."""
    assert sum(map(bool, (api, guide, source))) == 1, f"one source: {text}"
    page = service.api(api) if api else service.guide(guide) if guide else source

    def declare(test: Test) -> Test:
        name = test.__name__
        assert name not in BEHAVIOURS, f"{name} is declared twice"
        BEHAVIOURS[name] = Behaviour(name=name, module=test.__module__.rpartition(".")[2], service=service, text=text, source=page)
        return test

    return declare
