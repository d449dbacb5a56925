"""docker-compose.yml passes to each service the settings that the service reads."""

import re
from pathlib import Path

import pytest

from config.settings import VARIABLES, Settings
from tasks.app import TASK_MODULES
from tests.house.test_imports import import_graph
from tests.ops.composed import ROOT, own_services

NOT_PASSED_BY_COMPOSE = {
    "PAYMENTS_HOME": "the image says where",
    "PAYMENTS_LOG_FORMAT": "the image says JSON",
    "PAYMENTS_BIND_ADDRESS": "console and Flower share the network of the gateway",
    "PAYMENTS_TRUSTED_PROXIES": "the gateway is on 127.0.0.1 of this network",
    "CELERY_BROKER_URL": "the broker lies in the same Redis",
}
# The property that is derived from a setting. Services read the property instead.
DERIVED_PROPERTY_BY_FIELD = {"console_url": "console_address", "flower_url": "flower_address"}
VARIABLE_BY_FIELD = dict(zip(Settings.model_fields, VARIABLES, strict=True))


def settings_read_by(module):
    path = ROOT / Path(*module.split("."))
    text = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    return {
        VARIABLE_BY_FIELD[field]
        for field in VARIABLE_BY_FIELD
        if re.search(rf"\bsettings\.{DERIVED_PROPERTY_BY_FIELD.get(field, field)}\b", text)
    }


@pytest.mark.parametrize("name", own_services())
def test_compose_passes_each_setting_that_a_service_reads(name):
    service = own_services()[name]
    # A Celery worker loads its task modules by name.
    begun = {*service["command"], *(TASK_MODULES if name in {"importer", "backoffice"} else ())}
    modules = begun | {each for module in begun for each in import_graph().find_upstream_modules(module)}
    read = {setting for module in modules - {"config.settings"} for setting in settings_read_by(module)}

    assert {"DATABASE_URL", "REDIS_URL", "PAYMENTS_LOG_LEVEL"} < read
    assert read - {*service["environment"], *NOT_PASSED_BY_COMPOSE} == set()
