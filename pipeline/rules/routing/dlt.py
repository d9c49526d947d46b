"""DLT: which carriers can send to India, where senders and templates must be registered.

Operators there drop messages without their registration ids: a carrier is capable only if its module sends them and
its settings have them, or if an operator of ours declared it capable.
"""

#: the carrier kinds that reach no mobile operator
OURS = frozenset({"http", "simulated"})
#: the carrier kinds that could send ids before `sends_dlt` existed
_BEFORE = frozenset({"smpp"})


def is_able(kind: str, sends: bool | None, said: bool | None) -> bool:
    """Tell whether a carrier can send to India.

    `sends`: its settings have ids that its module sends; None: they are older than the check. `said`: the capability
    that an operator declared, which takes precedence.
    """
    if said is not None:
        return said
    return kind in OURS or (kind in _BEFORE if sends is None else sends)
