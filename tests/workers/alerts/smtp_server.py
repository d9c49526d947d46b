"""A small SMTP server for tests: it stores e-mails, offers STARTTLS with a certificate, and refuses on request."""

import socketserver
import ssl
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    """What a server was sent, and how it answers."""

    tls: ssl.SSLContext | None = None
    #: answers to RCPT, in turn; then it accepts
    refusals: list[str] = field(default_factory=list)
    #: commands without their arguments, in order
    commands: list[str] = field(default_factory=list)
    #: what AUTH PLAIN said
    logins: list[bytes] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    port: int = 0

    @contextmanager
    def running(self) -> Iterator["MailServer"]:
        """Serve on a port of 127.0.0.1 until the end of the block."""
        session = type("Session", (_Session,), {"to": self})
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), session) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            yield self
            server.shutdown()
            thread.join(10)


class _Session(socketserver.StreamRequestHandler):
    to: MailServer

    def handle(self) -> None:
        """Talk to one client."""
        self._say("220 mail.example.org")
        while line := self.rfile.readline().strip():
            command = line.split()[0].decode().upper()
            self.to.commands.append(command)
            if command == "DATA":
                self._say("354 go on")
                self.to.mails.append(
                    message_from_bytes(b"".join(iter(self.rfile.readline, b".\r\n")), policy=policy.default)
                )
            elif command == "AUTH":
                self.to.logins.append(b64decode(line.split()[2]))
                self._say("235 welcome")
                continue
            elif command == "RCPT" and self.to.refusals:
                self._say(self.to.refusals.pop(0))
                continue
            elif command == "EHLO":
                self._say("250-mail.example.org")
                is_plain = self.to.tls is not None and not isinstance(self.connection, ssl.SSLSocket)
                self._say("250 STARTTLS" if is_plain else "250 AUTH PLAIN")
                continue
            self._say({"STARTTLS": "220 go on", "QUIT": "221 bye"}.get(command, "250 well"))
            if command == "STARTTLS" and self.to.tls:
                try:
                    self.connection = self.request = self.to.tls.wrap_socket(self.connection, server_side=True)
                except ssl.SSLError:  # the client does not trust it
                    return
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
            if command == "QUIT":
                return

    def finish(self) -> None:
        """Close what TLS has put around the connection."""
        super().finish()
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.close()

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())
