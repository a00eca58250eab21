"""Events as JSON and back, exactly."""

import json
from decimal import Decimal
from typing import get_args

import msgspec
import pytest
from builders import DAY, a_bar, a_fill, a_quote, an_order
from hypothesis import given
from hypothesis import strategies as st

from qka.model.account import Asset, Position
from qka.model.actions import CorporateAction
from qka.model.events import (
    Alert,
    AssetChanged,
    CancelRefused,
    CancelRequested,
    Distributed,
    EngineState,
    Event,
    InstrumentState,
    LinkState,
    OperatorCommand,
    OrderAccepted,
    OrderAdopted,
    OrderCancelled,
    OrderDenied,
    OrderExpired,
    OrderRejected,
    OrderRequested,
    OrderSubmitted,
    OrderUnknown,
    PositionChanged,
    Rebalanced,
    SessionPhase,
    Severity,
    Shortfall,
    Signal,
    TimerFired,
    TradingState,
    WentEx,
)
from qka.model.market import Phase, Status
from qka.model.order import OrderStatus, OrderType, Side
from qka.wire import canonical, decode, encode, plain, pretty

T = 1_767_578_403_123_456_789
EVENTS = [
    a_quote(10.53, time=T),
    a_bar(10.53),
    SessionPhase(T, DAY, Phase.CLOSING_CALL),
    Signal("600000.SH", Side.BUY, 100, price=10.53, reason="金叉 “上穿”", time=T, id=7),
    Signal("600000.SH", target_ratio=0.1, confidence=0.3),
    Rebalanced(T, "grid", (an_order(),), (Shortfall("a", Side.BUY, 50, "lot", "few"),), ("b",)),
    OrderRequested(T, an_order(status=OrderStatus.SUBMITTING, turnover=Decimal("0.10"))),
    OrderDenied(T, an_order(status=OrderStatus.DENIED), "cash", "no cash", 1.5, 2.5),
    OrderSubmitted(T, "a", "1082"),
    OrderAccepted(T, "a", "1082"),
    OrderRejected(T, "a", "废单\n第二行"),
    CancelRequested(T, "a", "why"),
    CancelRefused(T, "a", "no"),
    OrderCancelled(T, "a"),
    OrderExpired(T, "a", "the day ended"),
    OrderUnknown(T, "a", "timeout"),
    a_fill(300, 10.53, time=T, fees=Decimal("5.03")),
    PositionChanged(T, Position("600000.SH", 300, 100, 200, 10.01, 10.53)),
    AssetChanged(T, Asset(Decimal("999999999.99"), Decimal("0.00"), Decimal("0.01"))),
    Distributed(T, CorporateAction("600000.SH", DAY, Decimal("0.41"), Decimal("0.3"))),
    WentEx(T, CorporateAction("600000.SH", DAY, Decimal("0.41"), Decimal("0.3")), 1000),
    EngineState(T, "trading", TradingState.REDUCING, "day's loss"),
    InstrumentState(T, "600000.SH", DAY, Status.ST, True, False, "*ST浦发"),
    LinkState(T, "broker", False, "reset by peer"),
    TimerFired(T, "grid", "every 30s"),
    OrderAdopted(T, an_order(id="x260105-7")),
    OperatorCommand(T, "halt", "now", "me"),
    Alert(T, Severity.ERROR, "ledger", 'a "quoted" word'),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_survives_the_wire_exactly(event):
    line = encode(event)
    again = decode(line)
    assert type(again) is type(event)
    assert again == event
    assert encode(again) == line
    assert b"\n" not in line


@pytest.mark.parametrize("kind", list(OrderType))
def test_an_order_of_each_type_survives_the_wire(kind):
    event = OrderRequested(T, an_order(type=kind))
    assert decode(encode(event)) == event


def test_an_order_of_an_older_journal_is_read():
    """The bytes are those of a journal written before there were more types than two."""
    line = (
        b'{"type":"OrderRequested","time":1,"order":{"id":"q260105-0-000001",'
        b'"symbol":"600000.SH","side":"buy","quantity":100,"price":11.0,"type":"market",'
        b'"strategy":"s","signal":1,"time":1,"status":"submitting","filled":0,'
        b'"turnover":"0.00","fees":"0.00","broker_id":"","reason":""}}'
    )
    event = decode(line)
    assert event.order.type is OrderType.MARKET
    assert encode(event) == line  # and a replay of that day writes the same


def test_every_kind_of_event_has_been_tried():
    assert {type(event) for event in EVENTS} == set(get_args(Event))


money = st.decimals(-(10**12), 10**12, places=2)


@given(money, money, money)
def test_money_is_exact_to_the_last_digit_and_keeps_its_cents(cash, frozen, value):
    event = AssetChanged(T, Asset(cash, frozen, value))
    again = decode(encode(event))
    assert again == event
    assert [str(x) for x in (again.asset.cash, again.asset.frozen)] == [str(cash), str(frozen)]


@given(st.integers(0, 2**63 - 1), st.floats(0, 1e7), st.text())
def test_times_prices_and_words_are_exact(time, price, words):
    for event in (
        a_fill(100, price, time=time),
        Signal("600000.SH", Side.SELL, price=price, reason=words, time=time),
    ):
        assert decode(encode(event)) == event


def test_money_travels_as_a_string_and_is_shown_as_a_number():
    fill = a_fill(fees=Decimal("5.10"))
    assert json.loads(encode(fill))["fees"] == "5.10"
    assert '"fees": 5.10' in pretty(fill).decode()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"type": "Nobody", "time": 1}',
        b'{"type": "OrderAccepted", "time": "soon", "order_id": "a"}',
        b'{"type": "OrderAccepted", "time": 1}',
        encode(a_fill())[:-5],
    ],
    ids=["nothing", "no kind", "an unknown kind", "a wrong type", "a field missing", "cut off"],
)
def test_anything_else_is_refused(line):
    with pytest.raises(msgspec.DecodeError):
        decode(line)


@pytest.mark.parametrize("write", [encode, pretty])
def test_text_that_utf_8_cannot_carry_is_escaped_and_never_an_error(write):
    alert = Alert(1, Severity.ERROR, "mine", "caf\udce9 is no file")
    assert b"caf\\\\udce9 is no file" in write(alert)
    assert decode(encode(alert)).message == "caf\\udce9 is no file"


def test_money_beside_unencodable_text_stays_exact():
    fill = a_fill(fees=Decimal("5.10"), symbol="\udce9")
    assert decode(encode(fill)).fees == Decimal("5.10")


def test_what_json_has_no_word_for_is_shown_as_python_shows_it():
    class Odd:
        def __repr__(self):
            raise RuntimeError

    assert encode(CancelRequested(1, "a", reason=Decimal)) == encode(
        CancelRequested(1, "a", reason="<class 'decimal.Decimal'>")
    )
    assert b"<Odd>" in encode(CancelRequested(1, "a", reason=Odd()))


def test_the_canonical_form_does_not_depend_on_the_order_in_which_things_were_put_in():
    one = {"b": {2, 1, 3}, "a": Decimal("0.10"), "c": {"y": None, "x": [1.5, "双"]}}
    other = {"c": {"x": [1.5, "双"], "y": None}, "a": Decimal("0.10"), "b": {3, 2, 1}}
    assert canonical(one) == canonical(other)
    told = {"a": "0.10", "b": [1, 2, 3], "c": {"x": [1.5, "双"], "y": None}}
    assert plain(canonical(one)) == told
    assert canonical({"k\udce4": {"b\udce4", "a"}}) == canonical({"k\\udce4": ["a", "b\\udce4"]})
    with pytest.raises(TypeError):
        canonical({"a": object()})
