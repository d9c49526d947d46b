"""What an operator says a vendor posts: where its parts are, what its words mean, and what proves it."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import algorithms_guaranteed

from pipeline.carriers.options import Options
from pipeline.carriers.vendors import posts
from pipeline.carriers.vendors.generic.answers import spelt
from schema.carriage import Heard, Inbound, Posted, Receipt
from schema.vocabulary import Verdict

_PARTS = ("carrier_ref", "ref", "status", "code", "at")
_OF_INBOUND = ("id", "from", "to", "text", "at")
_WEAK = frozenset({"md5", "sha1"})


@dataclass(frozen=True, slots=True)
class Proof:
    """What proves a post: a secret in a header or in the query, or the HMAC of its body."""

    header: str
    query: str
    secret: str
    hmac: str
    prefix: str
    spelling: str

    @classmethod
    def read(cls, carrier: str, given: Mapping[str, object]) -> "Proof":
        """Read it from a setting; ConfigurationError names what does not fit."""
        options = Options(carrier, given)
        header, query, hmac = options.text("header", ""), options.text("query", ""), options.text("hmac", "")
        secret, prefix, spelling = options.text("secret"), options.text("prefix", ""), options.text("spelling", "hex")
        options.finish()
        if bool(header) == bool(query) or (query and hmac):
            raise options.unfit("receipts.proof", "must have a header or a query, and an hmac only in a header")
        if hmac and (hmac not in algorithms_guaranteed or hmac in _WEAK or hmac.startswith("shake")):
            raise options.unfit("receipts.proof.hmac", "must be sha256, sha512 or another hash as good")
        if not secret:
            raise options.unfit("receipts.proof.secret", "is required")
        if spelling not in ("hex", "base64"):
            raise options.unfit("receipts.proof.spelling", "must be hex or base64")
        return cls(header.lower(), query, secret, hmac, prefix, spelling)

    def hold(self, carrier: str, posted: Posted) -> None:
        """ReceiptForged if a post does not prove whose it is."""
        given = posts.query(posted).get(self.query, "") if self.query else posted.headers.get(self.header, "")
        expected = self.secret
        if self.hmac:
            expected = self.prefix + posts.mac(self.hmac, self.secret, posted.body, self.spelling)
        posts.prove(carrier, expected, given, "receipts.proof")


@dataclass(frozen=True, slots=True)
class Rules:
    """How one vendor's posts are read."""

    each: str
    #: our word for a part → its path
    paths: Mapping[str, str]
    statuses: Mapping[str, Verdict]
    retryable: frozenset[str | None]
    #: the same for a message from a handset; empty: none come
    inbound: Mapping[str, str]
    proof: Proof | None

    @classmethod
    def read(cls, carrier: str, given: Mapping[str, object]) -> "Rules":
        """Read them from a setting; ConfigurationError names what does not fit."""
        options = Options(carrier, given)
        proof, handset = options.mapping("proof"), Options(carrier, inbound := options.mapping("inbound"))
        retryable = options.take("retryable") or []
        if not isinstance(retryable, list):
            raise options.unfit("receipts.retryable", "must be a list of codes")
        rules = cls(
            each=options.text("each", ""),
            paths={part: path for part in _PARTS if (path := options.text(part, ""))},
            statuses={word: _verdict(options, word, to) for word, to in options.mapping("statuses").items()},
            retryable=frozenset(map(spelt, retryable)),
            inbound={part: handset.text(part, "") for part in _OF_INBOUND} if inbound else {},
            proof=Proof.read(carrier, proof) if proof else None,
        )
        options.finish()
        handset.finish()
        if given and not proof:
            raise options.unfit("receipts.proof", "is required: whose would they be?")
        if rules.statuses and not ("status" in rules.paths and {"carrier_ref", "ref"} & set(rules.paths)):
            raise options.unfit("receipts", "must say where status and carrier_ref, or ref, are")
        if inbound and not all(rules.inbound[part] for part in ("id", "from", "to", "text")):
            raise options.unfit("receipts.inbound", "must say where id, from, to and text are")
        return rules

    def receipt(self, carrier: str, report: object) -> Receipt:
        """Return one report; ValueError if it cannot be read."""
        given = {part: spelt(posts.at(report, path)) for part, path in self.paths.items()}
        status, carrier_ref, ref, code, _ = (
            posts.word(given.get(part), part) for part in ("status", "carrier_ref", "ref", "code", "at")
        )
        if status is None or status not in self.statuses:
            raise ValueError(f"status must be one of {', '.join(self.statuses)}")
        if not (carrier_ref or posts.ours(ref)):
            raise ValueError("carrier_ref or ref must be there")
        return Receipt(
            carrier=carrier,
            key=f"{carrier_ref or ref}/{status}",
            verdict=self.statuses[status],
            carrier_ref=carrier_ref,
            ref=posts.ours(ref),
            code=code,
            at=posts.moment(given.get("at")),
            raw=posts.kept(given, _PARTS),
            retryable=code in self.retryable,
        )

    def from_handset(self, carrier: str, report: object) -> Inbound:
        """Return one message; ValueError if it cannot be read."""
        given = {part: posts.at(report, path) for part, path in self.inbound.items() if path}
        return Inbound(
            carrier=carrier,
            key=posts.needed(spelt(given.get("id")), "id"),
            phone=posts.number(spelt(given.get("from")), "from"),
            sender=posts.number(spelt(given.get("to")), "to"),
            body=posts.text(given.get("text"), "text"),
            at=posts.moment(given.get("at")),
        )


def read(carrier: str, settings: Mapping[str, object], posted: Posted) -> Heard:
    """Return what is in one request; ValueError if it cannot be read, ReceiptForged if it proves nothing."""
    given = settings.get("receipts")
    rules = Rules.read(carrier, given if isinstance(given, Mapping) else {})
    if rules.proof is None:
        posts.prove(carrier, "", "", "receipts.proof")
        return Heard([], [])
    rules.proof.hold(carrier, posted)
    whole = posts.parsed(posted.body) if posted.body.lstrip()[:1] in (b"{", b"[") else dict(posts.fields(posted))
    found = posts.at(whole, rules.each) if rules.each else whole
    heard = Heard([], [])
    for report in found if isinstance(found, list) else [posts.entry(found)]:
        if rules.inbound and ("status" not in rules.paths or posts.at(report, rules.paths["status"]) is None):
            heard.inbound.append(rules.from_handset(carrier, report))
        else:
            heard.receipts.append(rules.receipt(carrier, report))
    return heard


def _verdict(options: Options, word: str, given: object) -> Verdict:
    try:
        return Verdict(str(given))
    except ValueError:
        raise options.unfit(f"receipts.statuses.{word}", f"must be one of {', '.join(Verdict)}") from None
