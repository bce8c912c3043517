"""What people may send: each type says its limits, and the description of the interface says them too."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

MOST_AT_ONCE = 500
LARGEST_NUMBER = 2**63 - 1


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("holds a character that cannot be stored")
    return text


Storable = AfterValidator(_storable)
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), Storable]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000), Storable]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), Storable]
AlertId = Annotated[str, StringConstraints(min_length=1, max_length=2_000), Storable]
Version = Annotated[int, Field(ge=0, le=2**31 - 2)]
Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER)]
Limit = Annotated[int, Query(ge=1, le=MOST_AT_ONCE)]
Before = Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER, description="the number that the page comes before")]


class Body(BaseModel):
    """Whatever is sent holds what is asked for and nothing else."""

    model_config = ConfigDict(extra="forbid")
