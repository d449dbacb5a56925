"""Ids of rows in paths: `{exception_id:row}` matches digits only.

So the path of an id does not match another path, such as `/exceptions/next`. That path then answers 405 to a method
that it does not have.
"""

from starlette.convertors import StringConvertor, register_url_convertor


class _RowConvertor(StringConvertor):
    regex = "[0-9]+"


def register() -> None:
    """Let the paths of routes use the convertor `row`."""
    register_url_convertor("row", _RowConvertor())
