"""SSM Parameter Store: pages, secrets, versions, sizes, and what is refused."""

from typing import Any

import pytest

from tests.conformance.behaviours import Service, behaviour
from tests.conformance.here import Here, refused

INVALID = "ValidationException"
BY_PATH = "GetParametersByPath"
TEXT_BYTES_MAX = 4096


@pytest.fixture
def path(here: Here) -> str:
    """A path of the test's own."""
    return f"/{here.prefix}/{here.name('path')}"


def _put(here: Here, name: str, value: str, **others: Any) -> int:
    return int(here.ssm("PutParameter", Name=name, Value=value, **{"Type": "String", **others})["Version"])


def _pages(here: Here, operation: str, **arguments: Any) -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = []
    more: dict[str, str] = {}
    for _ in range(100):
        answer = here.ssm(operation, **arguments, **more)
        pages.append(answer["Parameters"])
        if not answer.get("NextToken"):
            return pages
        more = {"NextToken": answer["NextToken"]}
    raise AssertionError("the pages have no end")


@behaviour(Service.SSM, "Parameters are read by path, below it to any depth, in pages of at most ten, each once", api=BY_PATH)
def test_parameters_are_read_by_path_to_the_last_page(here: Here, path: str) -> None:
    wanted = {f"{path}/{folder}/{number}": f"value {number}" for number in range(7) for folder in ("a", "b/c", "d/e/f")}
    for name, value in wanted.items():
        _put(here, name, value)
    pages = _pages(here, BY_PATH, Path=path, Recursive=True, MaxResults=10)
    assert max(map(len, pages)) <= 10
    found = [(each["Name"], each["Value"]) for page in pages for each in page]
    assert len(found) == len(wanted)
    assert dict(found) == wanted


@behaviour(Service.SSM, "Without being told so a path is not read to any depth", api=BY_PATH)
def test_a_path_is_not_recursive_by_itself(here: Here, path: str) -> None:
    _put(here, f"{path}/near", "1")
    _put(here, f"{path}/far/away", "2")
    assert [each["Name"] for page in _pages(here, BY_PATH, Path=path) for each in page] == [f"{path}/near"]


@behaviour(Service.SSM, "A path that only begins alike is another path", api=BY_PATH)
def test_a_path_that_begins_alike_is_another(here: Here, path: str) -> None:
    _put(here, f"{path}/a", "1")
    _put(here, f"{path}2/a", "2")
    assert [each["Name"] for page in _pages(here, BY_PATH, Path=path, Recursive=True) for each in page] == [f"{path}/a"]


@behaviour(Service.SSM, "Pages of more than ten are refused", api=BY_PATH)
def test_pages_of_more_than_ten_are_refused(here: Here, path: str) -> None:
    with refused(INVALID):
        here.ssm(BY_PATH, Path=path, Recursive=True, MaxResults=11)


@behaviour(Service.SSM, "A path below which there is nothing gives nothing, and is no error", api=BY_PATH)
def test_a_path_without_parameters_gives_none(here: Here, path: str) -> None:
    assert [each for page in _pages(here, BY_PATH, Path=path, Recursive=True) for each in page] == []


@behaviour(Service.SSM, "A secret is readable with decryption only", guide="secure-string-parameter-kms-encryption")
def test_a_secret_is_readable_with_decryption_only(here: Here, path: str) -> None:
    _put(here, f"{path}/secret", "open sesame", Type="SecureString")
    assert here.ssm("GetParameter", Name=f"{path}/secret", WithDecryption=True)["Parameter"]["Value"] == "open sesame"
    closed = here.ssm("GetParameter", Name=f"{path}/secret")["Parameter"]
    assert closed["Type"] == "SecureString"
    assert "sesame" not in closed["Value"]


@behaviour(Service.SSM, "A parameter that exists is not written over unless that is asked for", api="PutParameter")
def test_a_parameter_is_not_written_over_by_accident(here: Here, path: str) -> None:
    _put(here, f"{path}/a", "first")
    with refused("ParameterAlreadyExists"):
        _put(here, f"{path}/a", "second")
    assert here.ssm("GetParameter", Name=f"{path}/a")["Parameter"]["Value"] == "first"


@behaviour(Service.SSM, "Writing over counts the version up and keeps the type where none is given", api="PutParameter")
def test_writing_over_counts_versions_and_keeps_the_type(here: Here, path: str) -> None:
    assert _put(here, f"{path}/a", "first", Type="SecureString") == 1
    assert here.ssm("PutParameter", Name=f"{path}/a", Value="second", Overwrite=True)["Version"] == 2
    found = here.ssm("GetParameter", Name=f"{path}/a", WithDecryption=True)["Parameter"]
    assert (found["Version"], found["Type"], found["Value"]) == (2, "SecureString", "second")


@behaviour(Service.SSM, "The history has every version with its value and who wrote it when", api="GetParameterHistory")
def test_the_history_has_every_version(here: Here, path: str) -> None:
    for number in range(3):
        _put(here, f"{path}/a", f"value {number}", Overwrite=True)
    found = [each for page in _pages(here, "GetParameterHistory", Name=f"{path}/a", MaxResults=50) for each in page]
    assert [(each["Version"], each["Value"]) for each in sorted(found, key=lambda each: int(each["Version"]))] == [
        (1, "value 0"),
        (2, "value 1"),
        (3, "value 2"),
    ]
    assert all(each["LastModifiedDate"] and each["LastModifiedUser"] for each in found)


@behaviour(Service.SSM, "Pages of a history of more than fifty are refused", api="GetParameterHistory")
def test_pages_of_a_history_of_more_than_fifty_are_refused(here: Here, path: str) -> None:
    _put(here, f"{path}/a", "1")
    with refused(INVALID):
        here.ssm("GetParameterHistory", Name=f"{path}/a", MaxResults=51)


@behaviour(Service.SSM, "A deleted parameter is gone, and begins with version 1 when it is made again", api="DeleteParameter")
def test_a_deleted_parameter_begins_anew(here: Here, path: str) -> None:
    _put(here, f"{path}/a", "1")
    _put(here, f"{path}/a", "2", Overwrite=True)
    here.ssm("DeleteParameter", Name=f"{path}/a")
    with refused("ParameterNotFound"):
        here.ssm("GetParameter", Name=f"{path}/a")
    assert here.until(lambda: _put(here, f"{path}/a", "3"), "the parameter") == 1


@behaviour(Service.SSM, "A parameter that is not there is told by reading, by its history and by deleting it", api="GetParameter")
@pytest.mark.parametrize("operation", ["GetParameter", "GetParameterHistory", "DeleteParameter"])
def test_a_parameter_that_is_not_there_is_told(here: Here, path: str, operation: str) -> None:
    with refused("ParameterNotFound"):
        here.ssm(operation, Name=f"{path}/missing")


@behaviour(Service.SSM, "A value of 4 KB is taken", guide="parameter-store-advanced-parameters")
def test_a_value_of_4_kilobytes_is_taken(here: Here, path: str) -> None:
    _put(here, f"{path}/a", "x" * TEXT_BYTES_MAX)
    assert here.ssm("GetParameter", Name=f"{path}/a")["Parameter"]["Value"] == "x" * TEXT_BYTES_MAX


@behaviour(Service.SSM, "A value of a byte more is refused", guide="parameter-store-advanced-parameters")
def test_a_value_of_a_byte_more_is_refused(here: Here, path: str) -> None:
    with refused(INVALID):
        _put(here, f"{path}/a", "x" * (TEXT_BYTES_MAX + 1))


@behaviour(Service.SSM, "An empty value is refused", api="PutParameter")
def test_an_empty_value_is_refused(here: Here, path: str) -> None:
    with refused(INVALID):
        _put(here, f"{path}/a", "")


@behaviour(Service.SSM, "A value that does not match the allowed pattern is refused", api="PutParameter")
def test_a_value_has_to_match_the_allowed_pattern(here: Here, path: str) -> None:
    _put(here, f"{path}/a", "17", AllowedPattern=r"^\d+$")
    with refused("ParameterPatternMismatchException"):
        _put(here, f"{path}/b", "seventeen", AllowedPattern=r"^\d+$")
