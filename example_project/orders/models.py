"""What a customer orders, and the rules that an order obeys."""

from decimal import Decimal
from typing import Annotated, Literal

import luhn  # type: ignore[import-untyped]
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, computed_field


def _in_cents(amount: Decimal) -> Decimal:
    """9.5 and 9.50 are one price: write both the same way."""
    return amount.quantize(Decimal("0.01"))


def _with_valid_check_digit(number: str) -> str:
    if not luhn.verify(number):
        raise ValueError("the check digit is wrong: is a digit mistyped?")
    return number


Price = Annotated[Decimal, Field(gt=0, max_digits=9, decimal_places=2), AfterValidator(_in_cents)]
CardNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{16}$"), AfterValidator(_with_valid_check_digit)]


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sku: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9-]{3,20}$")]
    quantity: Annotated[int, Field(ge=1, le=1000)]
    price: Price

    @computed_field  # type: ignore[prop-decorator]
    @property
    def subtotal(self) -> Decimal:
        return self.quantity * self.price


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    reference: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
    customer_card: CardNumber
    currency: Literal["EUR", "GBP", "USD"]
    items: Annotated[list[Item], Field(min_length=1, max_length=100)]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> Decimal:
        return sum((item.subtotal for item in self.items), Decimal())
