"""The edges as a config names them: which server is reached, and how."""

from served import served
from tls import a_certificate

from qka.app import Engine
from qka.settings import from_mapping, load, reach


def test_a_feed_asks_the_brokers_server_for_what_it_does_not_say_itself():
    broker = {"kind": "remote", "url": "https://a:8000", "fingerprint": "ab", "verify": False}
    chosen = from_mapping({"feed": {"kind": "remote"}, "broker": broker})
    assert reach(chosen.broker, chosen.feed) == ("https://a:8000", "", False, "ab")
    own = {"kind": "remote", "url": "https://b:8000", "verify": "ca.pem", "fingerprint": ""}
    chosen = from_mapping({"feed": own, "broker": broker})
    assert reach(chosen.broker, chosen.feed) == ("https://b:8000", "", "ca.pem", "")
    chosen = from_mapping({"feed": own})  # on paper
    assert reach(chosen.broker, chosen.feed) == ("https://b:8000", "", "ca.pem", "")


async def test_paper_on_the_quotes_of_a_server_whose_certificate_is_pinned(tmp_path, monkeypatch):
    cert, key, pin = a_certificate(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text(
        "import qka\nclass S(qka.Strategy):\n    symbols = ['600000.SH']\n"
        "    def on_quote(self, quote): pass\n"
    )
    async with served(tmp_path / "server", tls_cert=cert, tls_key=key) as server:
        monkeypatch.setenv("QKA__FEED__TOKEN", server.token)
        config = tmp_path / "paper.yaml"
        text = f"feed: {{kind: remote, url: '{server.url}'}}\nstrategies: [{{use: 's.py:S'}}]\n"
        config.write_text(text)
        engine = Engine.from_config(load(config, [f"feed.fingerprint='{pin}'"]))
        assert await engine.check() == ["600000.SH"]
