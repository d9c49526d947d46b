"""Which carriers can take messages into India, where senders and texts are registered (DLT).

An operator there drops what comes without the ids of its registration: a carrier is able only if its file sends them,
and its settings have them, or if somebody said that it is.
"""

#: the kinds of carrier that reach no operator, in India or anywhere
OURS = frozenset({"http", "simulated"})
#: the kinds that could send ids before anybody asked whether they do
_BEFORE = frozenset({"smpp"})


def is_able(kind: str, sends: bool | None, said: bool | None) -> bool:
    """Tell whether a carrier can take messages into India.

    `sends`: its settings have ids that its file sends; None: they were written before that was looked at. `said`: what
    an operator said of it, which goes before all else.
    """
    if said is not None:
        return said
    return kind in OURS or (kind in _BEFORE if sends is None else sends)
