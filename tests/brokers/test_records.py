"""Native objects become values of ours, whatever they hold."""

from types import SimpleNamespace

import msgspec
import pytest

from qka.brokers import records
from qka.brokers.records import XtAccountStatus, XtAsset, XtOrder, XtPosition, copied, plain

DBL_MAX = 1.7976931348623157e308
KINDS = [
    kind
    for kind in vars(records).values()
    if isinstance(kind, type) and issubclass(kind, records.Record)
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_needs_no_field_and_never_changes(kind):
    record = kind()
    with pytest.raises(AttributeError):
        record.account_id = "other"


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_without_attributes_gives_the_defaults(kind):
    assert copied(object(), kind) == kind()


def test_attributes_are_copied_and_later_changes_of_the_object_are_not():
    native = SimpleNamespace(order_id=7, stock_code="600000.SH", price=10.5)
    order = copied(native, XtOrder)
    native.price = 1.0
    assert (order.order_id, order.stock_code, order.price) == (7, "600000.SH", 10.5)


def test_native_names_are_read_where_the_python_name_is_missing():
    status = copied(SimpleNamespace(m_strAccountID="1000", m_nStatus=5), XtAccountStatus)
    assert (status.account_id, status.status) == ("1000", 5)


@pytest.mark.parametrize("value", [DBL_MAX, -DBL_MAX, float("nan"), float("inf"), None, "none"])
def test_a_number_that_is_none_is_zero(value):
    assert copied(SimpleNamespace(cash=value), XtAsset).cash == 0.0


def test_what_is_no_whole_number_is_the_default():
    position = copied(SimpleNamespace(volume=100.0, can_use_volume=float("nan")), XtPosition)
    assert (position.volume, position.can_use_volume) == (100, 0)


def test_texts_in_bytes_are_read_as_the_terminal_writes_them():
    order = copied(SimpleNamespace(status_msg="资金不足".encode("gb18030")), XtOrder)
    assert order.status_msg == "资金不足"


def test_a_record_survives_json():
    order = XtOrder(order_id=7, order_remark="a", order_status=50)
    assert msgspec.json.decode(msgspec.json.encode(order), type=XtOrder) == order


def test_anything_becomes_plain_data():
    thing = SimpleNamespace(m_dBalance=1.0, m_dAvailable=DBL_MAX)
    assert plain(thing) == {"m_dBalance": 1.0, "m_dAvailable": None}
    both = SimpleNamespace(m_nOrderID=7, order_id=7, act=len)
    assert plain([both, (1, None)]) == [{"order_id": 7}, [1, None]]
    assert plain({"沪": XtAsset(cash=1.0)})["沪"]["cash"] == 1.0
