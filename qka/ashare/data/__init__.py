"""The shipped rows, data only: what is quoted where, and how sure that is, stands in each."""

from qka.ashare.data.days import DAYS
from qka.ashare.data.money import MONEY
from qka.ashare.data.orders import ORDERS
from qka.ashare.data.prices import PRICES
from qka.ashare.rows import Scoped

ROWS: tuple[Scoped, ...] = (*PRICES, *ORDERS, *DAYS, *MONEY)
