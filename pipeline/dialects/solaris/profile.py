"""Authentication of Solaris' API: its functions, rate limit and largest request."""

from pipeline.dialects.contract import Authentication
from pipeline.dialects.solaris.authentication import prove, secret_hash, who
from pipeline.dialects.solaris.errors import is_token_call, refuse

#: the vendor limits SMS by recipient only; this rate limit keeps one partner from starving the others
AUTHENTICATION = Authentication(
    largest=64 * 1024,
    rate=500,
    burst=1000,
    who=who,
    prove=prove,
    refuse=refuse,
    is_in_body=is_token_call,
    secret_hash=secret_hash,
)
