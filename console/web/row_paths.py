"""Ids of rows in paths: `{exception_id:row}` matches digits only.

Without the digits rule, `/exceptions/next` would also match the path of an exception. A method that `/exceptions/next`
does not have is therefore answered with 405.
"""

from starlette.convertors import StringConvertor, register_url_convertor


class _RowConvertor(StringConvertor):
    regex = "[0-9]+"


def register() -> None:
    """Let the paths of routes use the convertor `row`."""
    register_url_convertor("row", _RowConvertor())
