"""The alert mailer: e-mails operators about campaigns that need a person, within the notifier's process.

At least once: an alert is claimed, sent and recorded; if the process dies in between, it is sent again with the same
Message-ID.
"""

import asyncio
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.campaigns.alerts import CampaignAlert, claim_alert, record_alert
from workers.alerts import smtp_client
from workers.alerts.smtp_client import SmtpServer

log = logging.getLogger(__name__)

_ADDRESS = re.compile(r"([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})@([A-Za-z0-9.-]{1,253})")
#: seconds between two looks for alerts that are due
POLL = 5.0


class AlertMailer:
    """The alerts that one process sends."""

    def __init__(self, rt: Runtime, poll: float = POLL) -> None:
        """Read the settings; ConfigurationError names one that is invalid."""
        self._rt = rt
        self._poll = poll
        self._from, self._to = _addresses(rt.settings)
        self._server = _server(rt.settings) if self._to else None

    async def run(self, stop: asyncio.Event) -> None:
        """Send alerts until `stop` is set; return at once where none are wanted (POSTROAD_ALERT_EMAIL_TO)."""
        if self._server is None:
            return
        with ThreadPoolExecutor(1, "alerts") as thread:
            while not stop.is_set():
                if not await asyncio.get_running_loop().run_in_executor(thread, self._send_next, self._server):
                    await _either(stop, self._poll)

    def _send_next(self, server: SmtpServer) -> bool:
        """Send an alert that is due; return False if there was none, or it could not be looked for or recorded."""
        try:
            alert = claim_alert(self._rt)
            if alert is None:
                return False
            fault = smtp_client.send(server, self._email(alert))
            if fault:
                words = "the alert about campaign %(campaign)s could not be sent: %(fault)s"
                log.warning(words, {"campaign": alert.campaign.id, "fault": fault})
            record_alert(self._rt, alert, is_sent=fault is None)
        except DatabaseFault as fault:
            log.warning("alerts cannot reach the database: %s", fault)
            return False
        except Exception as error:  # noqa: BLE001 - one alert must not end the others; it is due again when its claim ends
            log.error("an alert failed with %s", type(error).__name__)
            return False
        return True

    def _email(self, alert: CampaignAlert) -> EmailMessage:
        email = EmailMessage()
        email["From"] = self._from
        email["To"] = self._to
        email["Subject"] = alert.subject
        email["Date"] = format_datetime(alert.at)
        email["Message-ID"] = f"<{alert.event}@{self._from.domain}>"
        email["Auto-Submitted"] = "auto-generated"
        email.set_content(alert.text)
        return email


async def _either(stop: asyncio.Event, seconds: float) -> None:
    """Wait until `stop` is set, for at most so many seconds."""
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait([waiting], timeout=seconds)
    waiting.cancel()


def _server(settings: Settings) -> SmtpServer:
    url = settings.smtp_url.get_secret_value()
    if not url:
        raise ConfigurationError(
            "POSTROAD_ALERT_EMAIL_TO requires POSTROAD_SMTP_URL, such as smtp://mail.example.org:587"
        )
    return smtp_client.server(url)


def _addresses(settings: Settings) -> tuple[Address, tuple[Address, ...]]:
    """Return the sender and the recipients of alerts; the sender is the first recipient where none is set."""
    to = tuple(_address("POSTROAD_ALERT_EMAIL_TO", each) for each in settings.alert_email_to.split(",") if each.strip())
    if settings.alert_email_from:
        return _address("POSTROAD_ALERT_EMAIL_FROM", settings.alert_email_from), to
    return (to[0] if to else Address()), to


def _address(setting: str, written: str) -> Address:
    if not (found := _ADDRESS.fullmatch(written.strip())):
        raise ConfigurationError(f"{setting} must have e-mail addresses such as ops@example.org, separated by commas")
    return Address(username=found[1], domain=found[2])
