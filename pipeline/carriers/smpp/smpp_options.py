"""Reads and validates the settings of an SMPP carrier.

Settings (more in `submit_body.py`, `text_encoding.py`, `addresses.py`; for receipts and MO in `deliver_sm_parser.py`):

    host, system_id          required
    port                     2775
    password, system_type    ""
    address_range            "", with address_ton, address_npi 0
    interface_version        `3.4` (the default), `3.3`, `5.0`: sent in the bind; the protocol used is 3.4 all the same
    tls                      false; `ca_file` (PEM; the system's), `tls_name` (the name on its certificate; `host`)
    mode                     `transceiver` (the default), `separate` (a transmitter and a receiver), `transmitter`
                             (no receipts), `receiver` (no submits)
    binds                    1: number of binds, each with its window
    window                   50 requests in flight
    deadline                 10 s: timeout of a response
    call_deadline            20 s: timeout of a portion; twice `deadline`
    connect_timeout          3 s;  bind_timeout  5 s
    enquire_link             30 s between keep-alive requests
    throttle_pause           1 s without submitting where most requests are throttled, growing to 5; a throttled request
                             waits alone, a sixteenth of it at first, growing likewise
    reconnect_pause          0.5 s before a failed bind is retried, growing to 30
    refusals                 {"0x0400": "wait"}: meaning of a status, where it differs from `submit_exchange.py`:
                             `refused_permanent`, `refused_transient`, `wait`
    doubt                    `blind` (the default), `queryable` (query_sm is supported)
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.smpp import deliver_sm_parser, pdu, text_encoding
from pipeline.carriers.smpp.codes import CommandId
from pipeline.carriers.smpp.deliver_sm_parser import DeliverSmOptions
from pipeline.carriers.smpp.submit_body import SubmitWriter
from pipeline.carriers.smpp.submit_exchange import OUTCOMES, WAITS
from schema.vocabulary import Outcome, UnknownAbility

_STATUS = re.compile(r"0x[0-9A-Fa-f]{1,8}")


class BindMode(StrEnum):
    """Which binds a carrier has."""

    TRANSCEIVER = "transceiver"
    SEPARATE = "separate"
    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"


#: by mode: the bind that submits, and the other one that receives
COMMANDS: Final = {
    BindMode.TRANSCEIVER: (CommandId.BIND_TRANSCEIVER, None),
    BindMode.SEPARATE: (CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER),
    BindMode.TRANSMITTER: (CommandId.BIND_TRANSMITTER, None),
    BindMode.RECEIVER: (None, CommandId.BIND_RECEIVER),
}


class InterfaceVersion(StrEnum):
    """The interface_version sent in binds."""

    OLD = "3.3"
    USUAL = "3.4"
    NEW = "5.0"


#: interface_version (5.2.4)
VERSIONS: Final = {InterfaceVersion.OLD: 0x33, InterfaceVersion.USUAL: 0x34, InterfaceVersion.NEW: 0x50}


class StatusMeaning(StrEnum):
    """The meanings an operator may assign to a status."""

    REFUSED_PERMANENT = Outcome.REFUSED_PERMANENT
    REFUSED_TRANSIENT = Outcome.REFUSED_TRANSIENT
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class SmscTarget:
    """The SMSC's address, and our credentials."""

    host: str
    port: int
    who: pdu.BindPdu
    tls: ssl.SSLContext | None = None
    tls_name: str | None = None
    connect_timeout: float = 3
    bind_timeout: float = 5
    #: seconds before a failed bind is retried: doubled, up to the last, less a random share
    reconnect_pause: float = 0.5
    longest_reconnect_pause: float = 30


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Window, timeouts and throttling of a session."""

    #: requests in flight
    window: int = 50
    #: seconds until a request times out
    deadline: float = 10
    #: seconds between keep-alive requests
    enquire_link: float = 30
    #: seconds without submitting where most requests are throttled: doubled each time, up to the last
    throttle_pause: float = 1
    longest_pause: float = 5
    #: statuses that mean throttled
    waits: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class SmppOptions:
    """All settings of an SMPP carrier."""

    target: SmscTarget
    session_options: SessionOptions
    mode: BindMode
    #: number of binds; of mode `separate`, of each kind
    binds: int
    call_deadline: float
    unknown_ability: UnknownAbility
    #: outcome by error status
    outcomes: Mapping[int, Outcome]
    writer: SubmitWriter
    deliver_sm_options: DeliverSmOptions
    #: settings accepted though SMPP 3.4 does not allow them: texts for the operator
    warnings: tuple[str, ...] = ()

    def commands(self, listening: bool) -> list[CommandId]:
        """Return the binds to keep open: those that submit, and with a listener those that receive."""
        sending, handler = COMMANDS[self.mode]
        if self.mode is BindMode.TRANSCEIVER and not listening:
            sending = CommandId.BIND_TRANSMITTER
        wanted = [sending] * self.binds if sending else []
        return wanted + ([handler] * self.binds if handler and listening else [])


def read(name: str, settings: Mapping[str, object]) -> SmppOptions:
    """Read one carrier's settings; ConfigurationError names the invalid one."""
    options = SettingReader(name, settings)
    waits, outcomes = _refusals(options)
    session_options = _session_options(options, waits)
    doubt = options.choice("doubt", UnknownAbility, UnknownAbility.BLIND)
    if doubt is UnknownAbility.DEDUPES:
        raise options.unfit("doubt", "must be blind or queryable")
    style = text_encoding.read(options)
    deliver_sm_options = deliver_sm_parser.read(options, style.alphabet)
    writer = SubmitWriter(options, style, deliver_sm_options.reference_tag)
    smpp_options = SmppOptions(
        target=_target(options),
        session_options=session_options,
        mode=options.choice("mode", BindMode, BindMode.TRANSCEIVER),
        binds=options.whole("binds", 1, 1, 100),
        call_deadline=options.number(
            "call_deadline", 2 * session_options.deadline, 1.1 * session_options.deadline, 900
        ),
        unknown_ability=doubt,
        outcomes=outcomes,
        writer=writer,
        deliver_sm_options=deliver_sm_options,
        warnings=tuple(options.warnings),
    )
    options.finish()
    return smpp_options


def _target(options: SettingReader) -> SmscTarget:
    host, tls_name = options.text("host"), options.text("tls_name", "")
    who = pdu.BindPdu(
        options.text("system_id"),
        options.text("password", ""),
        options.text("system_type", ""),
        interface_version=VERSIONS[options.choice("interface_version", InterfaceVersion, InterfaceVersion.USUAL)],
        ton=options.whole("address_ton", 0, 0, 255),
        npi=options.whole("address_npi", 0, 0, 255),
        address_range=options.text("address_range", ""),
    )
    for key, value in (("host", host), ("tls_name", tls_name)):
        try:
            value.encode("idna")
        except UnicodeError:
            raise options.unfit(key, "must be a name or an address") from None
    try:
        pdu.bind(CommandId.BIND_TRANSCEIVER, 1, who)
    except ValueError as error:
        raise options.unfit(*str(error).split(" ", 1)) from None
    for key, most in pdu.BIND_FIELDS.items():
        value = getattr(who, key)
        if len(value) > most:
            options.warn(key, f"has {len(value)} characters, and SMPP 3.4 allows {most}: sent as it is")
        if not value.isascii():
            options.warn(key, "is encoded in ISO 8859-1, and SMPP 3.4 allows ASCII: sent as it is")
    return SmscTarget(
        host=host,
        port=options.whole("port", 2775, 1, 65535),
        who=who,
        tls=_tls(options),
        tls_name=tls_name or None,
        connect_timeout=options.number("connect_timeout", 3, 0.05, 300),
        bind_timeout=options.number("bind_timeout", 5, 0.05, 300),
        reconnect_pause=options.number("reconnect_pause", 0.5, 0.01, 300),
    )


def _tls(options: SettingReader) -> ssl.SSLContext | None:
    path = options.text("ca_file", "")
    try:
        context = ssl.create_default_context(cafile=path or None)
    except OSError:
        raise options.unfit("ca_file", "must be a readable file of PEM certificates") from None
    return context if options.flag("tls") else None


def _session_options(options: SettingReader, waits: frozenset[int]) -> SessionOptions:
    return SessionOptions(
        window=options.whole("window", 50, 1, 1000),
        deadline=options.number("deadline", 10, 0.05, 300),
        enquire_link=options.number("enquire_link", 30, 0.05, 3600),
        throttle_pause=options.number("throttle_pause", 1, 0.01, 60),
        waits=waits,
    )


def _refusals(options: SettingReader) -> tuple[frozenset[int], Mapping[int, Outcome]]:
    """Return the statuses that mean throttled, and the outcomes of the others."""
    waits: set[int] = set(WAITS)
    outcomes = dict(OUTCOMES)
    given = options.mapping("refusals")
    for key, meaning in given.items():
        if not _STATUS.fullmatch(key) or meaning not in list(StatusMeaning):
            raise options.unfit("refusals", f'must be of the form {{"0x0400": "{"|".join(StatusMeaning)}"}}')
        status = int(key, 16)
        waits.discard(status)
        if meaning == StatusMeaning.WAIT:
            waits.add(status)
        else:
            outcomes[status] = Outcome(str(meaning))
    return frozenset(waits), outcomes
