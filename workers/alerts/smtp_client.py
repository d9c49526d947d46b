"""Sends e-mail by SMTP (RFC 5321), with STARTTLS where the server offers it."""

import contextlib
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from pipeline.errors import ConfigurationError

#: seconds for a connection, and for each answer of the server
TIMEOUT = 10.0

_PORTS = {"smtp": 587, "smtps": 465}
_FORM = "POSTROAD_SMTP_URL must be smtp://user:password@host:587, or smtps:// for TLS from the first byte"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The server that takes e-mail."""

    host: str
    port: int
    #: TLS from the first byte
    is_tls: bool
    user: str
    password: str = field(repr=False)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: its certificate need not be valid, and it gets a password without TLS too."""
        with contextlib.suppress(ValueError):
            return ip_address(self.host).is_loopback
        return self.host == "localhost"


def server(url: str) -> SmtpServer:
    """Return the server of POSTROAD_SMTP_URL; ConfigurationError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        raise ConfigurationError(_FORM) from None
    if not host or not port or parts.scheme not in _PORTS or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigurationError(_FORM)
    return SmtpServer(host, port, parts.scheme == "smtps", unquote(parts.username or ""), unquote(parts.password or ""))


def send(to: SmtpServer, message: EmailMessage) -> str | None:
    """Send an e-mail; return None once the server has taken it for any recipient, else the kind of error."""
    try:
        with contextlib.closing(_connect(to)) as client:
            client.ehlo()
            if not to.is_tls and client.has_extn("starttls"):
                client.starttls(context=_context(to))
                client.ehlo()
            if to.user:
                _log_in(client, to)
            client.send_message(message)
            with contextlib.suppress(smtplib.SMTPException, OSError):  # it has taken the message already
                client.quit()
    except smtplib.SMTPResponseException as error:
        return f"{type(error).__name__} {error.smtp_code}"
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return type(error).__name__
    return None


def _connect(to: SmtpServer) -> smtplib.SMTP:
    if to.is_tls:
        return smtplib.SMTP_SSL(to.host, to.port, timeout=TIMEOUT, context=_context(to))
    return smtplib.SMTP(to.host, to.port, timeout=TIMEOUT)


def _log_in(client: smtplib.SMTP, to: SmtpServer) -> None:
    if not (to.is_local or isinstance(client.sock, ssl.SSLSocket)):
        raise smtplib.SMTPNotSupportedError("a password is not sent without TLS")
    client.login(to.user, to.password)


def _context(to: SmtpServer) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if to.is_local:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
