from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from andock.signing import make_keys
from config.installation import load_installation
from config.settings import Settings
from workers.vcenters import tags_decide


@pytest.mark.parametrize(
    ("environments", "rule", "decide"),
    [
        ([], {}, False),
        ([{"folder": "*/prod/*", "is": "prod"}], {}, False),
        ([{"tag": "env=prod", "is": "prod"}], {}, True),
        ([], {"labels": ["env=prod"]}, True),
        ([], {"labels": ["env=prod"], "sites": ["lab"]}, True),
        ([], {"labels": ["env=prod"], "sites": ["edge-1"]}, False),
        ([], {"labels": ["env=prod"], "allow": ["container *"]}, False),
        ([], {"labels": ["env=prod"], "allow": ["vm o*"]}, True),
    ],
)
def test_tags_decide_where_a_rule_on_them_can_speak_of_a_vm(
    tmp_path: Path, environments: list[dict[str, str]], rule: dict[str, object], decide: bool
) -> None:
    lab = {"host": "x", "user": "u", "password": {"env": "X"}, "environment": "dev"}
    sites = {
        "vcenters": {"lab": {**lab, "environments": environments}},
        "engines": {"edge-1": {"url": "unix:///x", "environment": "prod"}},
    }
    (tmp_path / "sites.yaml").write_text(yaml.safe_dump(sites))
    policy = {"rules": [{"name": "all", "allow": ["*"], **rule}]}
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(policy))
    make_keys(tmp_path / "keys")
    settings = Settings.model_validate({"ANDOCK_CONFIG_DIR": tmp_path, "ANDOCK_KEYS_DIR": tmp_path / "keys"})
    assert tags_decide(load_installation(settings), "lab") is decide
