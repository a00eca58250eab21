"""The tables say what the vendor's constants say, in both directions, and never guess."""

import subprocess
import sys
from types import ModuleType

import pytest
from builders import an_order

from qka.brokers import words
from qka.brokers.records import XtAsset, XtOrder, XtPosition, XtTrade
from qka.errors import SymbolError
from qka.model.order import OrderStatus, OrderType, Side
from qka.model.times import MILLISECOND, SECOND


def constants(module: ModuleType) -> dict[str, int]:
    """The numbers of a module by name; bools are none."""
    return {
        name: value
        for name, value in vars(module).items()
        if name.isupper() or name.startswith(("ORDER_", "OFFSET_", "MARKET_"))
        if type(value) is int
    }


@pytest.fixture(scope="module")
def vendor() -> ModuleType:
    """xtconstant alone: its package asks the network when it is imported."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec, spec_from_file_location

    package = PathFinder.find_spec("xtquant")
    if package is None or not package.submodule_search_locations:
        pytest.skip("xtquant is not installed")
    path = f"{package.submodule_search_locations[0]}/xtconstant.py"
    spec = spec_from_file_location("xtconstant_alone", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------ against the vendor


def test_every_constant_of_ours_is_the_vendors_by_name_and_value(vendor):
    theirs = constants(vendor)
    ours = constants(words)
    own = {"SECOND", "MILLISECOND"} | {name for name in ours if name.startswith("BROKER_PRICE_")}
    own.add("AFTER_CLOSE_FIXED")  # which the vendor has in its manual alone
    assert {name: theirs.get(name) for name in ours if name not in own} == {
        name: value for name, value in ours.items() if name not in own
    }


@pytest.mark.parametrize(
    ("prefix", "table"),
    [
        ("ORDER_", words.STATUSES),
        ("ORDER_", words.STATUS_WORDS),
        ("ACCOUNT_STATUS", words.ACCOUNT_STATUSES),
        ("ACCOUNT_STATUS", words.ACCOUNT_STATUS_WORDS),
        ("MARKET_ENUM_", words.EXCHANGES),
        ("CREDIT_", words.SIDES),
        ("STOCK_BUY", words.SIDES),
        ("STOCK_SELL", words.SIDES),
        ("MARKET_SH_", words.PRICE_TYPES),
        ("MARKET_SZ_", words.PRICE_TYPES),
        ("MARKET_PEER_", words.PRICE_TYPES),
        ("MARKET_MINE_", words.PRICE_TYPES),
    ],
)
def test_a_code_of_the_vendors_is_in_the_table_of_its_kind(vendor, prefix, table):
    codes = {
        name: value
        for name, value in constants(vendor).items()
        if name.startswith(prefix) and name != "CREDIT_ACCOUNT"
    }
    assert codes
    assert [name for name, code in codes.items() if code not in table] == []


def test_account_types_and_markets_are_the_vendors_tables(vendor):
    assert words.ACCOUNT_TYPES == vendor.ACCOUNT_TYPE_DICT
    assert words.MARKETS == vendor.MARKET_STR_TO_ENUM_MAPPING


def test_the_order_types_that_trade_are_the_vendors_set_and_etf_creation(vendor):
    assert set(words.SIDES) == vendor.ORDER_TYPE_SET | {
        vendor.ETF_PURCHASE,
        vendor.ETF_REDEMPTION,
    }


def test_the_words_load_no_vendor_code():
    code = "import sys, qka.brokers.words, qka.brokers.records; print('xtquant' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ------------------------------------------------------------------ status


@pytest.mark.parametrize("code", sorted(words.STATUSES))
def test_a_status_code_and_ours_agree_there_and_back(code):
    filled = 100 if code in (52, 53, 55) else 0
    order = an_order(status=words.status_of(code), filled=filled)
    assert words.status_of(words.status_code(order)) is order.status


@pytest.mark.parametrize("status", list(OrderStatus))
@pytest.mark.parametrize("filled", [0, 100])
def test_every_status_of_ours_has_a_code(status, filled):
    code = words.status_code(an_order(status=status, filled=filled))
    assert code in words.STATUSES
    if status in (OrderStatus.CANCELLED, OrderStatus.PENDING_CANCEL):
        assert code in ((52, 53) if filled else (51, 54))


def test_cancel_pending_is_not_cancelled():
    assert words.status_of(51) is words.status_of(52) is OrderStatus.PENDING_CANCEL
    assert not {51, 52} & words.FINAL_STATUSES


def test_a_status_nobody_knows_is_unknown_and_shows_its_number():
    assert words.status_of(77) is OrderStatus.UNKNOWN
    assert words.status_words(77) == "未知(77)"
    assert words.status_words(50) == "已报"


# ------------------------------------------------------------------ side, price type, market


def test_sides_agree_there_and_back():
    assert {words.side_of(code): code for code in (23, 24)} == words.SIDE_CODES
    assert words.side_of(27) is Side.BUY
    assert words.side_of(30) is words.side_of(0) is words.side_of(134) is None


@pytest.mark.parametrize(
    ("kind", "sh", "sz", "bj"),
    [
        (OrderType.LIMIT, 11, 11, 11),
        (OrderType.MARKET, 42, 47, 42),
        (OrderType.BEST_5_LIMIT, 43, None, 43),
        (OrderType.PEER, 44, 44, 44),
        (OrderType.OWN, 45, 45, 45),
        (OrderType.FILL_CANCEL, None, 46, None),
        (OrderType.ALL_OR_NONE, None, 48, None),
        (OrderType.FIXED, 49, 49, None),
    ],
)
def test_an_order_type_has_the_number_of_its_own_exchange_there_and_back(kind, sh, sz, bj):
    for symbol, code in {"600000.SH": sh, "000001.SZ": sz, "920002.BJ": bj}.items():
        if code is None:
            with pytest.raises(ValueError, match=f"{symbol[-2:]} takes no {kind} orders"):
                words.price_type(symbol, kind)
        else:
            assert words.price_type(symbol, kind) == code
            assert words.sent_type_of(code) is kind


def test_a_price_type_needs_a_symbol():
    with pytest.raises(SymbolError):
        words.price_type("600000", OrderType.MARKET)


def test_a_limit_order_comes_back_as_50_and_is_a_limit_order():
    assert words.order_type_of(50) is words.order_type_of(11) is OrderType.LIMIT
    assert words.order_type_of(88) is words.order_type_of(42) is OrderType.MARKET
    assert words.order_type_of(49) is OrderType.MARKET  # the counter's word, not the one sent
    assert words.sent_type_of(5) is OrderType.LIMIT
    assert words.sent_type_of(50) is None
    assert words.order_type_of(0) is None


def test_account_status_is_told_in_words():
    assert words.account_status(0) == "ok (正常)"
    assert "数据刷新校正中" in words.account_status(5)
    assert words.account_status(42) == "unknown status 42"


# ------------------------------------------------------------------ time and names


@pytest.mark.parametrize(
    ("stamp", "ns"),
    [
        (1_767_578_400, 1_767_578_400 * SECOND),
        (1_767_578_400_123, 1_767_578_400_123 * MILLISECOND),
        (0, 0),
        (93_000, 0),
        (20_260_105, 0),
        (20_260_105_100_000, 0),
        (-1, 0),
    ],
)
def test_times_are_seconds_or_milliseconds_and_anything_else_is_none(stamp, ns):
    assert words.moment_of(stamp) == ns


@pytest.mark.parametrize("kind", [XtAsset, XtOrder, XtTrade, XtPosition])
def test_every_field_has_a_chinese_name_of_its_own_in_its_record(kind):
    names = [words.FIELD_NAMES[field] for field in kind.__struct_fields__]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("总资产", "total_asset"),
        ("可用金额", "cash"),
        ("证券代码", "stock_code"),
        ("当前数量", "volume"),
        ("持仓数量", "volume"),
        ("可用数量", "can_use_volume"),
        ("委托状态", "order_status"),
    ],
)
def test_the_guides_chinese_names_lead_to_their_fields(name, field):
    assert field in words.FIELDS_OF[name]


def test_a_chinese_name_means_at_most_one_field_of_a_record():
    for kind in (XtAsset, XtOrder, XtTrade, XtPosition):
        for fields in words.FIELDS_OF.values():
            assert len(set(fields) & set(kind.__struct_fields__)) <= 1
