"""No repr contains a secret, because a repr may be logged."""

import ast
import re

from config.engines import Engines
from config.settings import read_settings
from tests.house.source import PRODUCT_FOLDERS, Source, find_violations

SECRET_NAME_PATTERN = re.compile(r"password|token|secret|(database|redis|broker)_url")
# A hash reveals nothing, and neither does the flag of a temporary password.
NAMES_WITHOUT_SECRET = {"token_hash", "must_change_password"}


def test_secret_field_is_left_out_of_the_repr() -> None:
    def is_secret_in_repr(_: Source, node: ast.AST) -> bool:
        if not isinstance(node, ast.ClassDef):
            return False
        fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
        secrets = [
            each
            for each in fields
            if SECRET_NAME_PATTERN.search(each.target.id) and each.target.id not in NAMES_WITHOUT_SECRET
        ]
        hidden = [each for each in secrets if "repr=False" in ast.unparse(each) or "SecretStr" in ast.unparse(each)]
        return len(hidden) < len(secrets)

    assert find_violations(PRODUCT_FOLDERS, is_secret_in_repr) == []


def test_settings_and_engines_show_no_password() -> None:
    url, secret = "redis://ann:hunter2@127.0.0.1:6379/0", "hunter2"
    shown = [
        repr(Engines.from_urls("postgresql+psycopg://ann:hunter2@h/d", url)),
        repr(
            read_settings(
                {
                    "DATABASE_URL": "postgresql://ann:hunter2@h/d",
                    "REDIS_URL": url,
                    "CELERY_BROKER_URL": url,
                    "PAYMENTS_METRICS_TOKEN": secret,
                    "PAYMENTS_FLOWER_USER": "ann",
                    "PAYMENTS_FLOWER_PASSWORD": secret,
                }
            )
        ),
    ]

    assert [each for each in shown if secret in each] == []
