"""Tokens: random, kept as hashes, in clear only where their owner reads them, changed at will."""

import json
import os

import pytest

from qka.errors import ConfigError
from qka.server.tokens import Tokens, add, check_scopes, listed, revoke, rotate


def test_the_first_start_makes_a_random_one_and_later_ones_find_it(tmp_path):
    token = Tokens(tmp_path).open()
    assert len(token) >= 43  # 256 bits
    assert Tokens(tmp_path).open() == token
    assert Tokens(tmp_path / "other").open() != token


def test_it_is_kept_as_a_hash_and_in_clear_only_for_its_owner(tmp_path):
    token = Tokens(tmp_path).open()
    assert token not in (tmp_path / "tokens.json").read_text()
    assert (tmp_path / "default.token").read_text().strip() == token
    if os.name == "posix":
        for file in tmp_path.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file


def test_without_its_clear_file_it_still_works_but_can_not_be_shown(tmp_path):
    token = Tokens(tmp_path).open()
    (tmp_path / "default.token").unlink()
    tokens = Tokens(tmp_path)
    assert tokens.open() is None
    assert tokens.check(token).name == "default"


def test_a_given_one_is_used_and_not_written_down(tmp_path):
    tokens = Tokens(tmp_path)
    given = "a-token-of-my-own-choosing-0123456789"
    assert tokens.open(given) == given
    assert tokens.check(given).scopes == ("read", "trade")
    assert not list(tmp_path.iterdir())


def test_a_given_one_stands_in_for_the_kept_default_one(tmp_path):
    kept = Tokens(tmp_path).open()
    tokens = Tokens(tmp_path)
    tokens.open("a-token-of-my-own-choosing-0123456789")
    assert tokens.check(kept) is None


def test_a_token_file_of_ones_own_is_read_when_it_is_there_and_written_when_not(tmp_path):
    file = tmp_path / "secrets" / "qmt"
    token = Tokens(tmp_path, file).open()
    assert file.read_text().strip() == token
    file.write_text("another-token-that-i-made-0123456789\n")
    tokens = Tokens(tmp_path, file)
    assert tokens.open() == "another-token-that-i-made-0123456789"
    assert tokens.check(token) is None


@pytest.mark.parametrize("given", ["", "   ", "密码", "a\nb"])
def test_what_is_no_token_is_refused(tmp_path, given):
    with pytest.raises(ConfigError):
        Tokens(tmp_path).open(given)


@pytest.mark.parametrize("given", ["wrong", "", None, "é", "\udcff", "x" * 100_000])
def test_what_does_not_match_is_nobody(tmp_path, given):
    tokens = Tokens(tmp_path)
    token = tokens.open()
    assert tokens.check(given) is None
    assert tokens.check(token[:-1]) is None
    assert tokens.check(token + "x") is None


def test_rotating_voids_the_old_one_also_in_a_running_server(tmp_path):
    tokens = Tokens(tmp_path)
    old = tokens.open()
    fresh = rotate(tmp_path)
    assert tokens.refresh()
    assert tokens.check(old) is None
    assert tokens.check(fresh).name == "default"
    assert not tokens.refresh()
    assert Tokens(tmp_path).open() == fresh


def test_more_tokens_with_scopes_of_their_own(tmp_path):
    tokens = Tokens(tmp_path)
    tokens.open()
    watcher = add(tmp_path, "watcher", ["read"])
    engine = add(tmp_path, "engine", ["trade", "read"], engine=True)
    tokens.refresh()
    assert tokens.check(watcher).scopes == ("read",)
    assert tokens.check(engine).scopes == ("read", "trade")
    assert tokens.check(engine).engine
    assert [token.name for token in listed(tmp_path)] == ["default", "watcher", "engine"]
    assert (tmp_path / "watcher.token").read_text().strip() == watcher
    kept = rotate(tmp_path, "engine")
    tokens.refresh()
    assert tokens.check(kept).engine  # scopes stay
    revoke(tmp_path, "watcher")
    tokens.refresh()
    assert tokens.check(watcher) is None
    assert not (tmp_path / "watcher.token").exists()


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 40, "名"])
def test_names_are_plain(tmp_path, name):
    with pytest.raises(ConfigError, match="no name"):
        add(tmp_path, name, ["read"])


def test_wrong_commands_say_what_is_there(tmp_path):
    Tokens(tmp_path).open()
    with pytest.raises(ConfigError, match="default"):
        rotate(tmp_path, "nobody")
    with pytest.raises(ConfigError, match="start the server once"):
        rotate(tmp_path / "empty")
    with pytest.raises(ConfigError, match="nobody"):
        revoke(tmp_path, "nobody")
    with pytest.raises(ConfigError, match="already"):
        add(tmp_path, "default", ["read"])
    with pytest.raises(ConfigError, match="read, trade, transfer, admin"):
        check_scopes(["everything"])
    with pytest.raises(ConfigError):
        check_scopes([])


def test_a_damaged_file_stops_a_start_and_no_running_server(tmp_path):
    tokens = Tokens(tmp_path)
    token = tokens.open()
    (tmp_path / "tokens.json").write_text("{ damaged")
    assert not tokens.refresh()
    assert tokens.check(token).name == "default"
    with pytest.raises(ConfigError, match="damaged"):
        Tokens(tmp_path).open()


def test_a_token_is_still_valid_only_if_nothing_about_it_changed(tmp_path):
    tokens = Tokens(tmp_path)
    token = tokens.check(tokens.open())
    assert tokens.valid(token)
    told = json.loads((tmp_path / "tokens.json").read_text())
    told["tokens"][0]["scopes"] = ["read"]
    (tmp_path / "tokens.json").write_text(json.dumps(told))
    tokens.refresh()
    assert not tokens.valid(token)
