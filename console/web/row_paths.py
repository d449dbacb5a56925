"""Ids of rows in paths: `{exception_id:row}` matches only digits.

With `{exception_id}`, the path `/exceptions/next` would match the page of an exception. With `{exception_id:row}`, a
request to `/exceptions/next` with a wrong method is answered with 405.
"""

from starlette.convertors import StringConvertor, register_url_convertor


class _RowConvertor(StringConvertor):
    regex = "[0-9]+"


def register() -> None:
    """Register the convertor `row` for the paths of routes."""
    register_url_convertor("row", _RowConvertor())
