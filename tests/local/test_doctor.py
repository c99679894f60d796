"""What the doctor finds, and what it says to do."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.local.commands import tazco
from tests.processes import free_port
from tests.stage import Stage

WHATSAPP = "TAZCO_WHATSAPP_"


def examined(folder: Path, environment: Mapping[str, str]) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code and the diagnoses by check."""
    ran = tazco(folder, "doctor", "--json", environment=environment)
    assert ran.stdout, ran.stderr
    return ran.returncode, {diagnosis["check"]: diagnosis for diagnosis in json.loads(ran.stdout)}


def test_nothing_is_wrong_where_nothing_is_wrong(tmp_path: Path, stage: Stage) -> None:
    code, found = examined(tmp_path, stage.environment)
    assert {diagnosis["verdict"] for diagnosis in found.values()} == {"ok"}, found
    assert code == 0


def test_a_dead_endpoint_is_told_once_and_the_rest_points_to_it(tmp_path: Path, stage: Stage) -> None:
    code, found = examined(tmp_path, stage.environment_at(f"http://127.0.0.1:{free_port()}"))
    assert code == 1
    assert [name for name, diagnosis in found.items() if diagnosis["verdict"] == "fail"] == ["endpoint"]
    assert found["resources"]["found"] == "not looked at, see endpoint"
    assert "tazco dev" in found["endpoint"]["cure"]


def test_missing_settings_and_keys_are_told_with_their_cure(tmp_path: Path) -> None:
    code, found = examined(tmp_path, {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")})
    assert code == 1
    assert "TAZCO_CURSOR_SECRETS" in found["settings"]["found"]
    assert found["region and credentials"]["verdict"] == "fail"


def test_resources_that_are_missing_are_named(tmp_path: Path, stage: Stage) -> None:
    code, found = examined(tmp_path, {**stage.environment, "TAZCO_TABLE_PREFIX": "none-"})
    assert code == 1
    assert "table none-users missing" in found["resources"]["found"]
    assert "tazco provision" in found["resources"]["cure"]


def test_a_client_that_the_pool_does_not_have_is_found(tmp_path: Path, stage: Stage) -> None:
    code, found = examined(tmp_path, {**stage.environment, "TAZCO_COGNITO_CLIENT_IDS": "of-another-pool"})
    assert code == 1
    assert found["pool and client"]["verdict"] == "fail"
    assert "TAZCO_COGNITO_CLIENT_IDS" in found["pool and client"]["cure"]


def test_a_policy_that_the_api_would_not_start_with_is_found(tmp_path: Path, stage: Stage) -> None:
    bare = {name: value for name, value in stage.environment.items() if not name.startswith(WHATSAPP)}
    code, found = examined(tmp_path, bare)
    assert code == 1
    assert "whatsapp/notificationsEnabled" in found["policy"]["found"]


def test_a_key_set_that_is_not_there_is_found(tmp_path: Path, stage: Stage) -> None:
    code, found = examined(tmp_path, {**stage.environment, "TAZCO_COGNITO_JWKS_URL": f"http://127.0.0.1:{free_port()}/keys"})
    assert code == 1
    assert found["token keys"]["verdict"] == "fail"
