"""A symbol names its exchange, board and lot, or says what would."""

import pytest

from qka.errors import ConfigError, SymbolError
from qka.model.symbol import Board, board_of, check_symbol, lot_size


@pytest.mark.parametrize(
    ("symbol", "board"),
    [
        ("600000.SH", Board.MAIN),
        ("605499.SH", Board.MAIN),
        ("000001.SZ", Board.MAIN),
        ("002594.SZ", Board.MAIN),
        ("003816.SZ", Board.MAIN),
        ("688981.SH", Board.STAR),
        ("689009.SH", Board.STAR),
        ("300750.SZ", Board.CHINEXT),
        ("301308.SZ", Board.CHINEXT),
        ("302132.SZ", Board.CHINEXT),
        ("920002.BJ", Board.BSE),
        ("430047.BJ", Board.BSE),
        ("835185.BJ", Board.BSE),
        ("510300.SH", Board.FUND),
        ("588000.SH", Board.FUND),
        ("589000.SH", Board.FUND),
        ("502023.SH", Board.FUND),
        ("511880.SH", Board.FUND),
        ("159915.SZ", Board.FUND),
        ("158001.SZ", Board.FUND),
        ("113050.SH", Board.BOND),
        ("118001.SH", Board.BOND),
        ("123219.SZ", Board.BOND),
        ("204001.SH", Board.REPO),
        ("131810.SZ", Board.REPO),
        ("900901.SH", Board.B_SHARE),
        ("200002.SZ", Board.B_SHARE),
        ("000001.SH", Board.INDEX),
        ("399001.SZ", Board.INDEX),
        ("899050.BJ", Board.INDEX),
    ],
)
def test_a_code_and_its_exchange_name_the_board(symbol, board):
    assert board_of(symbol) is board
    assert check_symbol(symbol) == symbol


def test_the_same_code_is_an_index_in_shanghai_and_a_bank_in_shenzhen():
    assert board_of("000001.SH") is Board.INDEX
    assert board_of("000001.SZ") is Board.MAIN


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param("600000", "did you mean 600000.SH?", id="no exchange, one home"),
        pytest.param("000001", "did you mean 000001.SH or 000001.SZ?", id="no exchange, two homes"),
        pytest.param("600000.SZ", "did you mean 600000.SH?", id="the other exchange"),
        pytest.param("600000.XSHG", "no exchange 'XSHG'", id="another vendor's suffix"),
        pytest.param("600000.sh", "no exchange 'sh'", id="lower case"),
        pytest.param("sh600000", "six digits", id="prefix form"),
        pytest.param("60000.SH", "six digits", id="five digits"),
        pytest.param("", "six digits", id="nothing"),
        pytest.param("999999.SH", "no security on SH", id="a code nobody has"),
        pytest.param("600000.SH ", "no exchange", id="a blank behind"),
        pytest.param("600000.SH\n", "no exchange", id="a newline behind"),
        pytest.param("６０００００.SH", "", id="full-width digits"),
    ],
)
def test_a_wrong_symbol_is_refused_with_the_nearest_right_form(wrong, words):
    with pytest.raises(SymbolError) as error:
        check_symbol(wrong)
    assert words in str(error.value)
    assert repr(wrong) in str(error.value)


def test_a_wrong_symbol_is_the_users_to_correct():
    with pytest.raises(ConfigError):
        check_symbol("nonsense")


@pytest.mark.parametrize(
    ("symbol", "shares"),
    [("600000.SH", 100), ("688981.SH", 100), ("510300.SH", 100), ("123219.SZ", 10)],
)
def test_one_lot_of_the_feed_is_so_many_shares(symbol, shares):
    assert lot_size(symbol) == shares
