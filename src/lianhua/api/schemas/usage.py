"""Bodies of what turns have used."""

from datetime import date

from pydantic import Field

from lianhua.api.schemas.bodies import Out, SpentOut


class ModelDayOut(SpentOut):
    model: str


class DayOut(Out):
    date: date
    models: list[ModelDayOut]


class UsageReportOut(Out):
    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    currency: str
    days: list[DayOut]
    total: SpentOut
