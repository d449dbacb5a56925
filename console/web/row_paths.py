"""Ids of rows in paths: `{exception_id:row}` matches digits only.

A path beside it, such as `/exceptions/next`, then refuses a method that it does not have with 405.
"""

from starlette.convertors import StringConvertor, register_url_convertor


class _RowConvertor(StringConvertor):
    regex = "[0-9]+"


def register() -> None:
    """Let the paths of routes use the convertor `row`."""
    register_url_convertor("row", _RowConvertor())
