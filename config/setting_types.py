"""The types of the settings. Each type parses and checks the text of a variable."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from config.addresses import normalize_address, split_networks
from config.database_urls import normalize_database_url
from config.redis_urls import normalize_redis_url
from config.urls import normalize_web_address

STREAMS_MAX = 256
"""The largest number of streams that the feed can be partitioned into."""


def _split_list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
DatabaseUrl = Annotated[str, BeforeValidator(normalize_database_url)]
RedisUrl = Annotated[str, BeforeValidator(normalize_redis_url)]
Names = Annotated[
    tuple[Name, ...], BeforeValidator(lambda value: _split_list(value) if isinstance(value, str) else value)
]
Address = Annotated[str, BeforeValidator(normalize_address)]
Networks = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: split_networks(value) if isinstance(value, str) else value)
]
PathName = Annotated[Path, BeforeValidator(lambda value: Path(value).expanduser().absolute())]
WebAddress = Annotated[str, BeforeValidator(normalize_web_address)]
LogFormat = Literal["json", "columns"]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
]
