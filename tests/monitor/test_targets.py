"""Messages on their way to real servers that are fine, slow, broken or away."""

import pytest
from apprise.plugins.bark import NotifyBark
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.lark import NotifyLark
from apprise.plugins.telegram import NotifyTelegram
from loguru import logger
from receivers import mailing, receiving

from qka import secrets
from qka.errors import ConfigError
from qka.model.events import Severity
from qka.monitor.bots import DingTalk, WeComBot
from qka.monitor.messages import Message
from qka.monitor.targets import ROOM, Target


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


@pytest.fixture
def log():
    lines = []
    sink = logger.add(lambda line: lines.append(line.record["message"]))
    yield lines
    logger.remove(sink)


def a_message(body="what happened", severity=Severity.WARNING):
    return Message("engine", severity, "[qka live] Engine", body, 0)


def target(receiver):
    """One that is tried again at once."""
    return Target("phone", receiver.address, first=0.001, longest=0.002)


def sent(made, *messages):
    """Send the messages and wait until the target is done with them."""
    made.start()
    for message in messages:
        made.put(message)
    made.finish()
    made.done.result(20)


def test_a_message_arrives_with_its_words(receiver):
    sent(target(receiver), a_message("委托 <b> & 状态\n第二行"))
    (got,) = receiver.got
    assert got.body["title"] == "[qka live] Engine"
    assert got.body["message"] == "委托 <b> & 状态\n第二行"
    assert got.body["type"] == "warning"


def test_an_error_of_the_server_is_tried_again_and_told_once(receiver, log):
    receiver.answers.extend([500, 503, 500])
    sent(target(receiver), a_message())
    assert len(receiver.got) == 4
    down, up = log
    assert down.startswith("phone (JSON) does not take alerts: ")
    assert "500" in down
    assert up == "phone takes alerts again"


def test_what_could_not_be_sent_is_counted_with_the_next_that_arrives(receiver, log):
    receiver.answers.extend([500] * 12)
    sent(target(receiver), a_message("one"), a_message("two"), a_message("three"))
    assert receiver.got[-1].body["message"] == "three\n2 earlier messages could not be sent"
    assert len(log) == 2


def test_an_error_is_tried_longer_than_a_warning(receiver):
    receiver.answers.extend([500] * 20)
    sent(target(receiver), a_message("it", Severity.ERROR))
    assert len(receiver.got) == 21


def test_a_target_that_is_away_is_given_up_and_nothing_is_raised(log):
    with receiving() as receiver:
        made = target(receiver)
    sent(made, a_message(), a_message())
    assert made.give_up() == 2
    assert [line for line in log if "does not take alerts" in line] == log


def test_one_that_hangs_holds_up_nobody_and_its_queue_is_bounded(receiver):
    receiver.always = None
    made = target(receiver)
    made.start()
    made.put(a_message())
    receiver.wait_for(lambda got: got)
    for number in range(5000):
        made.put(a_message(str(number)))
    assert made.give_up() >= 5000
    assert len(made._outbox) == ROOM


def test_an_address_that_is_none_is_refused_and_not_shown():
    with pytest.raises(ConfigError, match=r"alerts\.targets\.phone") as raised:
        Target("phone", "nothing://sosecret123")
    assert "sosecret" not in str(raised.value)


SERVICES = {
    "DingTalk": (
        DingTalk,
        "http://127.0.0.1:{port}/robot/send?access_token={{token}}",
        "dingtalk://secret123@token12345/",
        lambda got: (got.path, got.query["access_token"], got.body["text"]["content"]),
        ("/robot/send", "token12345", "[qka live] Engine\nwhat happened"),
    ),
    "WeCom": (
        WeComBot,
        "http://127.0.0.1:{port}/cgi-bin/webhook/send?key={{key}}",
        "wecombot://botkey12345/",
        lambda got: (got.path, got.query["key"], got.body["text"]["content"]),
        ("/cgi-bin/webhook/send", "botkey12345", "[qka live] Engine\r\nwhat happened"),
    ),
    "Feishu": (
        NotifyFeishu,
        "http://127.0.0.1:{port}/open-apis/bot/v2/hook/{{token}}/",
        "feishu://abc-123-def/",
        lambda got: (got.path, got.body["content"]["text"]),
        ("/open-apis/bot/v2/hook/abc-123-def/", "[qka live] Engine\r\nwhat happened"),
    ),
    "Lark": (
        NotifyLark,
        "http://127.0.0.1:{port}/open-apis/bot/v2/hook/",
        "lark://abc-123-def/",
        lambda got: (got.path, got.body["content"]["text"]),
        ("/open-apis/bot/v2/hook/abc-123-def", "[qka live] Engine\nwhat happened"),
    ),
    "Telegram": (
        NotifyTelegram,
        "http://127.0.0.1:{port}/bot",
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        lambda got: (got.path, got.body["chat_id"]),
        ("/bot123456789:abcdefg_hijklmnop/sendMessage", 12315544),
    ),
    "Bark": (
        NotifyBark,
        "",
        "bark://127.0.0.1:{port}/devicekey123",
        lambda got: (got.path, got.body["device_key"], got.body["title"], got.body["body"]),
        ("/push", "devicekey123", "[qka live] Engine", "what happened"),
    ),
}


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_gets_the_request_that_it_expects(name, receiver, monkeypatch):
    kind, host, address, seen, expected = SERVICES[name]
    if host:
        monkeypatch.setattr(kind, "notify_url", host.format(port=receiver.port))
    made = Target("it", address.format(port=receiver.port))
    assert made.send(a_message()) == ""
    assert seen(receiver.got[-1]) == expected


@pytest.mark.parametrize("name", ["DingTalk", "WeCom", "Feishu", "Lark"])
def test_what_a_service_refuses_with_http_200_is_not_taken_for_sent(name, receiver, monkeypatch):
    kind, host, address, _, _ = SERVICES[name]
    monkeypatch.setattr(kind, "notify_url", host.format(port=receiver.port))
    receiver.says = {"errcode": 310000, "errmsg": "keywords not in content", "code": 19024}
    assert Target("it", address).send(a_message()) != ""


def test_why_a_bot_refused_is_told_without_its_token(receiver, monkeypatch):
    secrets.hide_address("dingtalk://secret123@token12345/")
    host = SERVICES["DingTalk"][1].format(port=receiver.port)
    monkeypatch.setattr(DingTalk, "notify_url", host)
    receiver.says = {"errcode": 300005, "errmsg": "token token12345 is not exist"}
    said = Target("it", "dingtalk://secret123@token12345/").send(a_message())
    secrets.forget()
    assert said == "DingTalk refused it: 300005 token *** is not exist"


def test_a_mail_arrives():
    with mailing() as server:
        address = f"mailto://127.0.0.1:{server.port}?from=qka@example.com&to=me@example.com"
        assert Target("mail", address).send(a_message("订单状态未知")) == ""
    (mail,) = server.mails
    assert "To: me@example.com" in mail
