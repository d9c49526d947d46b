"""E-mails to operators about campaigns: which, what they say, retries, TLS, and the settings."""

import asyncio
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.errors import ConfigurationError
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.alerts import claim_alert, record_alert
from tests.campaigns import checked, draft
from tests.stages.launched import Launched, numbers
from tests.workers.alerts.smtp_server import MailServer
from tests.workers.webhooks.test_notifier import eventually
from tests.workers.webhooks.test_webhook_client import certificate_of
from tests.world import World
from workers.alerts.alert_mailer import AlertMailer
from workers.alerts.smtp_client import SmtpServer, send

TO = "ops@example.org, on-call@example.org"


def configure(world: World, **settings: Any) -> None:
    world.rt.settings = world.rt.settings.model_copy(update=settings)


def mail(world: World, server: MailServer, user: str = "") -> None:
    """Let a mailer send what is due."""
    url = SecretStr(f"smtp://{user}127.0.0.1:{server.port}")
    configure(world, smtp_url=url, alert_email_to=TO)
    mailer = AlertMailer(world.rt, poll=0.01)

    async def work() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(mailer.run(stop))
        due = "SELECT count(*) FROM campaign_events WHERE alert_due_at <= now()"
        await asyncio.to_thread(eventually, lambda: world.rows(due) == [0])
        stop.set()
        await running

    asyncio.run(work())


def paused_for_money(world: World) -> Launched:
    campaign = Launched(world, numbers(3), max_cost=0)
    campaign.expand()
    assert campaign.reason == "quote_exceeded"
    return campaign


def test_operators_get_an_email_when_a_campaign_pauses_itself_or_its_check_fails(world: World, tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate_of(tmp_path, "mail.example.org"))
    campaign = paused_for_money(world)
    by_person = Launched(world, numbers(3))
    control.pause(world.rt, by_person.id, "a typo")
    empty = checked(world, draft(world, name="empty"))

    with MailServer(tls).running() as server:
        mail(world, server, user="ada:s%3Acret@")
        mail(world, server)

    first, second = server.mails
    assert first["Subject"] == f"Postroad: campaign {campaign.id} of acme is paused: quote_exceeded"
    assert (first["To"], first["From"]) == (TO, "ops@example.org")
    assert first["Auto-Submitted"] == "auto-generated"
    text = first.get_content()
    assert "Recipients: 3; sent 0, skipped 0, pending 3" in text
    assert f"postroad campaign status {campaign.id}" in text
    assert not any(number[1:] in first.as_string() for number in numbers(3))
    assert second["Subject"].startswith("Postroad: campaign empty of acme is failed: it has no recipients")
    assert empty.reason in second.get_content()
    assert server.commands.count("STARTTLS") == 2
    assert server.commands.index("STARTTLS") < server.commands.index("AUTH")
    assert server.logins == [b"\0ada\0s:cret"] * 2
    assert claim_alert(world.rt) is None


def test_an_email_is_tried_again_until_the_server_takes_it(world: World) -> None:
    paused_for_money(world)
    with MailServer(refusals=["451 later"] * 2).running() as server:
        mail(world, server)
        waits = world.rows("SELECT alert_due_at - now() BETWEEN '1 s' AND '61 s' FROM campaign_events")
        world.run("UPDATE campaign_events SET alert_due_at = now()")
        mail(world, server)
    world.run("UPDATE campaign_events SET alert_due_at = now()")
    mail(world, server)  # the server is gone

    assert (len(server.mails), waits) == (1, [True])
    assert world.rows("SELECT alert_tries, alert_due_at > now() FROM campaign_events") == [(3, True)]


def test_an_alert_whose_process_died_is_sent_by_another_and_an_old_one_by_none(world: World) -> None:
    paused_for_money(world)
    dead = claim_alert(world.rt)
    assert dead is not None
    assert claim_alert(world.rt) is None
    world.run("UPDATE campaign_events SET alert_due_at = now()")

    other = claim_alert(world.rt)
    assert other is not None
    record_alert(world.rt, dead, is_sent=True)  # too late: the other has it

    assert (other.event, other.attempt) == (dead.event, 2)
    world.run("UPDATE campaign_events SET alert_due_at = now(), at = at - interval '25 hours'")
    assert claim_alert(world.rt) is None


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"alert_email_to": "ops@example.org"}, "POSTROAD_SMTP_URL"),
        ({"alert_email_to": "ops", "smtp_url": "smtp://mail"}, "POSTROAD_ALERT_EMAIL_TO"),
        ({"alert_email_to": "a@b.c\r\nBcc: x@y.z", "smtp_url": "smtp://mail"}, "POSTROAD_ALERT_EMAIL_TO"),
        ({"alert_email_to": "a@b.c", "alert_email_from": "<>", "smtp_url": "smtp://mail"}, "POSTROAD_ALERT_EMAIL_FROM"),
        *(
            ({"alert_email_to": "a@b.c", "smtp_url": url}, "POSTROAD_SMTP_URL")
            for url in ("mail:25", "http://mail", "smtp://", "smtp://mail:x", "smtp://mail/x", "smtp://mail?tls=no")
        ),
    ],
)
def test_an_invalid_setting_of_alerts_is_named(world: World, given: dict[str, str], named: str) -> None:
    url = SecretStr(given.pop("smtp_url", ""))
    configure(world, smtp_url=url, **given)

    with pytest.raises(ConfigurationError, match=named):
        AlertMailer(world.rt)


def test_another_machine_gets_a_password_only_with_tls_and_a_valid_certificate(tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate_of(tmp_path, "mail.example.org"))
    said = []
    for context in (None, tls):
        with MailServer(context).running() as server:
            # Linux connects 0.0.0.0 to this machine, but it is no loopback address
            said.append(send(SmtpServer("0.0.0.0", server.port, False, "ada", "secret"), EmailMessage()))
        assert "AUTH" not in server.commands

    assert said == ["SMTPNotSupportedError", "SSLCertVerificationError"]
