"""Apprise's services, and two of them held to what their answer says.

DingTalk and WeCom answer HTTP 200 to what they refuse (a wrong token, a missing keyword, too many
messages) and say so in `errcode`; Apprise takes the 200 for a delivery.
"""

import logging
from pathlib import Path
from typing import Any

import apprise
import requests
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.wecombot import NotifyWeComBot

logging.getLogger("apprise").propagate = False  # what it says is told by us, masked
ASSET = apprise.AppriseAsset(
    app_id="qka",
    app_desc="qka",
    app_url="",
    image_url_mask="",
    async_mode=False,
    storage_mode="memory",
)


class DingTalk(NotifyDingTalk):  # type: ignore[no-untyped-call]  # apprise is typed in part
    """A DingTalk group's bot."""

    def send(self, body: str, title: str = "", *args: Any, **kwargs: Any) -> bool:
        """Send it; whether DingTalk took it."""
        params = {}
        if self.secret:
            stamp, sign = self.get_signature()  # type: ignore[no-untyped-call]  # as above
            params = {"timestamp": stamp, "sign": sign}
        text = {"content": f"{title}\n{body}" if title else body}
        at = {"atMobiles": self.targets, "isAtAll": False}
        payload = {"msgtype": "text", "at": at, "text": text}
        return _post(self, self.notify_url.format(token=self.token), payload, params)


class WeComBot(NotifyWeComBot):  # type: ignore[no-untyped-call]  # as above
    """A WeCom group's bot."""

    def send(self, body: str, title: str = "", *args: Any, **kwargs: Any) -> bool:
        """Send it; whether WeCom took it."""
        return _post(self, self.api_url, {"msgtype": "text", "text": {"content": body}}, {})


_OURS: dict[Any, Any] = {NotifyDingTalk: DingTalk, NotifyWeComBot: WeComBot}


def service(url: str) -> Any:
    """The service behind a URL; None when Apprise does not understand it."""
    made = apprise.Apprise.instantiate(url, asset=ASSET, suppress_exceptions=True)
    ours = _OURS.get(type(made))
    return ours(**ours.parse_url(url), asset=ASSET) if ours is not None else made


def send(made: Any, title: str, body: str, severity: str, page: Path | None = None) -> str:
    """Send one message; "" when it was taken, else what the service said to it. Blocks.

    `page`: a file that goes with it; a service that takes none is sent the words alone.
    """
    to = apprise.Apprise(asset=ASSET)
    to.add(made)
    attached = str(page) if page is not None and made.attachment_support else None
    result = to.notify(body=body, title=title, notify_type=_TYPES[severity], attach=attached)
    if result:
        return ""
    said = [entry.message for entry in result.logs()]
    return " ".join("; ".join(said).split()) or "it was not taken"


_TYPES = {"info": "info", "warning": "warning", "error": "failure"}


def _post(bot: Any, url: str, payload: dict[str, Any], params: dict[str, str]) -> bool:
    """Whether the bot's service took it; what it said is logged as Apprise does."""
    bot.throttle()
    try:
        answer = requests.post(
            url,
            json=payload,
            params=params,
            timeout=bot.request_timeout,
            verify=bot.verify_certificate,
        )
        told = answer.json() if answer.ok else {"errcode": answer.status_code}
    except requests.JSONDecodeError:
        told = {"errmsg": "its answer is no JSON"}
    except requests.RequestException as error:
        told = {"errmsg": f"no connection ({type(error).__name__})"}
    if told.get("errcode") == 0:
        return True
    words = f"{told.get('errcode', '')} {told.get('errmsg', '')}".strip()
    bot.logger.warning("%s refused it: %s", bot.service_name, words)
    return False
