"""Receipt rules of a generic vendor: where the fields of its posts are, their values, and their authentication."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import algorithms_guaranteed
from typing import Any

from pipeline.carriers.contract import ReceiptForged
from pipeline.carriers.receipt_authentication import OPEN, PROOF
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors import posted_receipts
from schema.carriage import CarrierEvents, Inbound, Posted, Receipt
from schema.vocabulary import ReceiptVerdict

_PARTS = ("carrier_ref", "ref", "status", "code", "at")
_OF_INBOUND = ("id", "from", "to", "text", "at", "ref", "part", "of")
_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")
_WEAK = frozenset({"md5", "sha1"})


@dataclass(frozen=True, slots=True)
class AuthenticationRule:
    """The authentication of a post: a secret in a header or query parameter, or the HMAC of its body."""

    header: str
    query: str
    secret: str
    hmac: str
    prefix: str
    spelling: str

    @classmethod
    def read(cls, carrier: str, given: Mapping[str, object]) -> "AuthenticationRule":
        """Read it from its setting; ConfigurationError names the invalid part."""
        options = SettingReader(carrier, given)
        header, query, hmac = options.text("header", ""), options.text("query", ""), options.text("hmac", "")
        secret, prefix, spelling = options.text("secret"), options.text("prefix", ""), options.text("spelling", "hex")
        options.finish()
        if bool(header) == bool(query) or (query and hmac):
            raise options.unfit("receipts.proof", "must have a header or a query, and an hmac only in a header")
        if hmac and (hmac not in algorithms_guaranteed or hmac in _WEAK or hmac.startswith("shake")):
            raise options.unfit("receipts.proof.hmac", "must be sha256, sha512 or another hash as strong")
        if not secret:
            raise options.unfit("receipts.proof.secret", "is required")
        if spelling not in ("hex", "base64"):
            raise options.unfit("receipts.proof.spelling", "must be hex or base64")
        return cls(header.lower(), query, secret, hmac, prefix, spelling)

    def check(self, carrier: str, posted: Posted) -> None:
        """Raise ReceiptForged if a post fails authentication."""
        given = posted_receipts.query(posted).get(self.query, "") if self.query else posted.headers.get(self.header, "")
        expected = self.secret
        if self.hmac:
            expected = self.prefix + posted_receipts.mac(self.hmac, self.secret, posted.body, self.spelling)
        posted_receipts.check_secret(carrier, expected, given, "receipts.proof")


@dataclass(frozen=True, slots=True)
class ResponseTemplate:
    """The response to a vendor's post once its events are stored."""

    status: int
    type: str
    #: None: the default
    body: str | None

    @classmethod
    def read(cls, carrier: str, given: Mapping[str, object]) -> "ResponseTemplate":
        """Read it from its setting; ConfigurationError names the invalid part."""
        options = SettingReader(carrier, given)
        status, type_ = options.whole("status", 200, 200, 299), options.text("type", "text/plain")
        body = options.take("body")
        options.finish()
        if body is None and given:
            body = ""
        if not (body is None or isinstance(body, str)):
            raise options.unfit("receipts.answer.body", "must be text")
        if not _TYPE.fullmatch(type_):
            raise options.unfit("receipts.answer.type", "must be a content type")
        return cls(status, type_, body)


@dataclass(frozen=True, slots=True)
class ReceiptRules:
    """How one vendor's posts are parsed."""

    each: str
    #: our name of a field → its path
    paths: Mapping[str, str]
    statuses: Mapping[str, ReceiptVerdict]
    retryable: frozenset[str | None]
    #: the same for inbound messages; empty: there are none
    inbound: Mapping[str, str]
    #: format of times, "" for any usual one
    at_format: str
    response: ResponseTemplate
    proof: AuthenticationRule | None
    #: whether authentication is waived
    is_open: bool

    @classmethod
    def read(cls, carrier: str, given: Mapping[str, object]) -> "ReceiptRules":
        """Read them from their setting; ConfigurationError names the invalid part."""
        options = SettingReader(carrier, given)
        is_open = given.get(PROOF) == OPEN and bool(options.take(PROOF))
        proof, mobile = (
            {} if is_open else options.mapping(PROOF),
            SettingReader(carrier, inbound := options.mapping("inbound")),
        )
        retryable = options.take("retryable") or []
        if not isinstance(retryable, list):
            raise options.unfit("receipts.retryable", "must be a list of codes")
        rules = cls(
            each=options.text("each", ""),
            paths={part: path for part in _PARTS if (path := options.text(part, ""))},
            statuses={word: _verdict(options, word, to) for word, to in options.mapping("statuses").items()},
            retryable=frozenset(map(posted_receipts.spelt, retryable)),
            inbound={part: mobile.text(part, "") for part in _OF_INBOUND} if inbound else {},
            at_format=_format(options),
            response=ResponseTemplate.read(carrier, options.mapping("answer")),
            proof=AuthenticationRule.read(carrier, proof) if proof else None,
            is_open=is_open,
        )
        options.finish()
        mobile.finish()
        if given and not (proof or is_open):
            raise options.unfit("receipts.proof", 'is required, or "open" to accept receipts from anyone')
        rules._check(options)
        return rules

    def _check(self, options: SettingReader) -> None:
        """Raise ConfigurationError when they do not say where what is needed stands."""
        if self.statuses and not ("status" in self.paths and {"carrier_ref", "ref"} & set(self.paths)):
            raise options.unfit("receipts", "must have the paths of status and of carrier_ref or ref")
        if self.inbound and not all(self.inbound[part] for part in ("id", "from", "to", "text")):
            raise options.unfit("receipts.inbound", "must have the paths of id, from, to and text")

    def entry(self, carrier: str, settings: Mapping[str, object], report: object) -> posted_receipts.Entry:
        """Return what one report is; ValueError if it is unreadable."""
        if self.inbound and self._is_from_mobile(report):
            return self._from_mobile(carrier, settings, report)
        return self._receipt(carrier, report)

    def _is_from_mobile(self, report: object) -> bool:
        """Tell whether a report is an inbound message: it has its fields, and no status, or one not in the table."""
        status = (
            posted_receipts.spelt(posted_receipts.at(report, self.paths["status"])) if "status" in self.paths else None
        )
        if status is None:
            return True
        has_all = all(posted_receipts.at(report, self.inbound[part]) is not None for part in ("from", "to", "text"))
        return has_all and self._verdict(status.strip()) is None

    def _receipt(self, carrier: str, report: object) -> posted_receipts.Entry:
        given = {part: posted_receipts.spelt(posted_receipts.at(report, path)) for part, path in self.paths.items()}
        status, carrier_ref, ref = (
            posted_receipts.word(given.get(part), part) for part in ("status", "carrier_ref", "ref")
        )
        if status is None:
            raise ValueError("status is required")
        if not (carrier_ref or posted_receipts.our_ref(ref)):
            raise ValueError("carrier_ref or ref is required")
        code, verdict = posted_receipts.label(given.get("code")), self._verdict(status)
        receipt = Receipt(
            carrier=carrier,
            key=f"{carrier_ref or ref}/{status}",
            verdict=verdict or ReceiptVerdict.PENDING,
            carrier_ref=carrier_ref,
            ref=posted_receipts.our_ref(ref),
            code=code,
            at=posted_receipts.moment(given.get("at"), self.at_format),
            raw=posted_receipts.stored_fields(given, _PARTS),
            retryable=code in self.retryable,
        )
        return posted_receipts.checked(receipt, verdict is not None)

    def _verdict(self, status: str) -> ReceiptVerdict | None:
        """Return the verdict of a status, in any letter case; None for one that is not in the table."""
        if status in self.statuses:
            return self.statuses[status]
        return next((verdict for word, verdict in self.statuses.items() if word.lower() == status.lower()), None)

    def _from_mobile(self, carrier: str, settings: Mapping[str, object], report: object) -> Inbound:
        given = {part: posted_receipts.at(report, path) for part, path in self.inbound.items() if path}
        return Inbound(
            carrier=carrier,
            **posted_receipts.inbound_key(given.get("id"), given.get("from"), given.get("to"), given.get("text")),
            phone=posted_receipts.number(given.get("from"), "from", settings),
            sender=posted_receipts.number(given.get("to"), "to", settings),
            body=posted_receipts.text(given.get("text"), "text"),
            at=posted_receipts.moment(given.get("at"), self.at_format),
            **posted_receipts.place(given.get("ref"), given.get("part"), given.get("of"), given.get("text")),
        )


def authenticate(carrier: str, settings: Mapping[str, object], posted: Posted) -> bool:
    """Authenticate a post by its headers or URL; ReceiptForged if they are wrong, False where that takes the body."""
    rules = _rules(carrier, settings)
    if rules.proof is None and rules.is_open:
        return False
    if rules.proof is None:
        raise ReceiptForged(f"carrier {carrier}: set receipts.proof: without it receipts cannot be authenticated")
    if rules.proof.hmac:
        return posted_receipts.require_signature(carrier, posted, rules.proof.header)
    rules.proof.check(carrier, posted)
    return True


def _rules(carrier: str, settings: Mapping[str, object]) -> ReceiptRules:
    given = settings.get("receipts")
    return ReceiptRules.read(carrier, given if isinstance(given, Mapping) else {})


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> CarrierEvents:
    """Return the events in one request; ReceiptForged if authentication fails."""
    rules = _rules(carrier, settings)
    if rules.proof:
        rules.proof.check(carrier, posted)
    elif not rules.is_open:
        posted_receipts.check_secret(carrier, "", "", "receipts.proof")
        return CarrierEvents([], [])
    return posted_receipts.read_each(
        carrier, posted, partial(_reports, rules, posted), partial(rules.entry, carrier, settings)
    )


def response(carrier: str, settings: Mapping[str, object]) -> tuple[int, str, str] | None:
    """Return the vendor's response once all is stored: status, content type, body; None: the default."""
    found = _rules(carrier, settings).response
    return (found.status, found.type, found.body) if found.body is not None else None


def _reports(rules: ReceiptRules, posted: Posted) -> list[Any]:
    whole = posted_receipts.parsed(posted.body)
    if not isinstance(whole, dict | list):
        whole = dict(posted_receipts.fields(posted))
    return posted_receipts.entries(posted_receipts.at(whole, rules.each) if rules.each else whole)


def _format(options: SettingReader) -> str:
    """Take the format of times."""
    given = options.text("at_format", "")
    if given and given != "epoch" and "%" not in given:
        raise options.unfit("receipts.at_format", "must be epoch, or have %Y, %m, %d and so on")
    return given


def _verdict(options: SettingReader, word: str, given: object) -> ReceiptVerdict:
    try:
        return ReceiptVerdict(str(given))
    except ValueError:
        raise options.unfit(f"receipts.statuses.{word}", f"must be one of {', '.join(ReceiptVerdict)}") from None
