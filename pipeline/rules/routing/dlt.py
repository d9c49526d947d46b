"""DLT: which carriers can send to India, where senders and templates must be registered.

Operators there drop messages without their registration ids: a carrier is capable only if its kind sends them and its
settings have them, or if an operator of ours declared it capable.
"""


def is_able(sends: bool, said: bool | None) -> bool:
    """Tell whether a carrier can send to India.

    `sends`: it sends the ids of its settings, or needs none (`CarrierKind.sends_dlt`). `said`: the capability that an
    operator declared, which takes precedence.
    """
    return sends if said is None else said
