"""CloudFormation as data: its functions, names of resources, and how a template is written down."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tazco.platform.messaging import Subscription
from tazco.platform.tables import Table

Json = dict[str, Any]

LINE_CHARACTERS_MAX: Final = 132
INDENT: Final = 2
PLACE: Final = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """What the slices contribute, as far as an account must have it."""

    tables: tuple[Table[Any], ...]
    subscriptions: tuple[Subscription, ...]


def ref(name: str) -> Json:
    """A parameter's value, or what identifies a resource."""
    return {"Ref": name}


def sub(text: str) -> Json:
    """A text with `${…}` in it."""
    return {"Fn::Sub": text}


def att(resource: str, attribute: str) -> Json:
    """An attribute of a resource."""
    return {"Fn::GetAtt": [resource, attribute]}


def imported(name: str) -> Json:
    """What the resources' stack exports under a name."""
    return {"Fn::ImportValue": sub("${ResourcesStack}-" + name)}


def when(condition: str, then: Any, otherwise: Any = None) -> Json:
    """One value or another; None is none at all."""
    return {"Fn::If": [condition, then, ref("AWS::NoValue") if otherwise is None else otherwise]}


def text_parameter(default: str | None, meaning: str, **more: Any) -> Json:
    """A parameter of the stack; without a default it must be given."""
    given = {} if default is None else {"Default": default}
    return {"Type": "String", **given, "Description": meaning, **more}


def number_parameter(default: int, low: int, high: int, meaning: str) -> Json:
    """A whole number within bounds, both included."""
    return {"Type": "Number", "Default": default, "MinValue": low, "MaxValue": high, "Description": meaning}


def logical(*words: str) -> str:
    """`NotificationsQueue`: the name of a resource inside a template, from names of ours."""
    parts = re.findall(r"[A-Za-z0-9]+", " ".join(words))
    return "".join(part[0].upper() + part[1:] for part in parts)


def waived(**reasons: str) -> Json:
    """Metadata by which checkov leaves a rule out for one resource, with the reason; `CKV_AWS_28="…"`."""
    return {"checkov": {"skip": [{"id": rule, "comment": reason} for rule, reason in reasons.items()]}}


def with_names(template: Json, values: Mapping[str, str]) -> Json:
    """The template with every text that follows from these parameters written out: CloudFormation imports only what has such a name."""
    return {**template, "Resources": _settled(template["Resources"], values)}


def _settled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_settled(each, values) for each in value]
    if not isinstance(value, dict):
        return value
    text = value.get("Fn::Sub")
    if text is None:
        return {name: _settled(each, values) for name, each in value.items()}
    return re.sub(PLACE, lambda found: values[found[1]], text) if set(re.findall(PLACE, text)) <= values.keys() else value


def compact(template: Json) -> str:
    """As few bytes as possible, for the wire; notes to checkers stay at home."""
    resources = {
        name: {part: value for part, value in resource.items() if part != "Metadata"}
        for name, resource in template["Resources"].items()
    }
    return json.dumps({**template, "Resources": resources}, separators=(",", ":"))


def readable(template: Json) -> str:
    """For people: what fits into a line stands on one."""
    return _written(template, 0, LINE_CHARACTERS_MAX) + "\n"


def _written(value: Any, depth: int, room: int) -> str:
    line = json.dumps(value)
    if not isinstance(value, dict | list) or not value or (len(line) <= room and depth > INDENT):
        return line
    inner = " " * INDENT * (depth + 1)
    if isinstance(value, Mapping):
        rows = [(f"{json.dumps(name)}: ", each) for name, each in value.items()]
    else:
        rows = [("", each) for each in _sequence(value)]
    width = LINE_CHARACTERS_MAX - len(inner) - 1
    body = ",\n".join(inner + start + _written(each, depth + 1, width - len(start)) for start, each in rows)
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    return f"{opening}\n{body}\n{' ' * INDENT * depth}{closing}"


def _sequence(value: Any) -> Sequence[Any]:
    return list(value)
