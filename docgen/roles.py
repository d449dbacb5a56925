"""The reference page of the roles and their rights, from `payments.access.rights`."""

from docgen.markdown import code, heading, table
from payments.access.rights import RIGHTS_BY_ROLE, Right, Role

_INTRODUCTION = """
Each user of the console has one role. A token for the API has the role of its user.

"""


def render_page() -> str:
    """Return the page: a table of the roles with their rights, and a table that explains each right."""
    meanings = table(("Right", "The user may"), [(right.value, right.phrase) for right in Right])
    columns = ("Role", *(right.value for right in Right))
    roles = table(columns, [(code(role), *_marks_of_role(role)) for role in Role])
    return f"{heading('Roles', 'payments/access/rights.py')}{_INTRODUCTION}{roles}\n{meanings}"


def _marks_of_role(role: Role) -> list[str]:
    return ["yes" if right in RIGHTS_BY_ROLE[role] else "" for right in Right]
