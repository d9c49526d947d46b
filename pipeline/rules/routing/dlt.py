"""DLT: which carriers can send to India, where senders and templates must be registered.

Operators there drop messages without their registration ids: a carrier is capable only if its kind sends them and its
settings have them, or if an operator of ours declared it capable.
"""

from collections.abc import Mapping

from schema.routing import Capability


def is_able(sends: bool, said: bool | None) -> bool:
    """Tell whether a carrier can send to India.

    `sends`: it sends the ids of its settings, or needs none (`CarrierKind.sends_dlt`). `said`: the capability that an
    operator declared, which takes precedence.
    """
    return sends if said is None else said


def lacks(sends: bool, capabilities: Mapping[str, bool]) -> frozenset[Capability]:
    """Return what a carrier lacks: capabilities declared False, and India unless it can send there.

    `sends`: as in `is_able`. `capabilities`: as an operator declared them; those that are absent it has.
    """
    out = {each for each in Capability if each is not Capability.DLT and not capabilities.get(each, True)}
    able = is_able(sends, capabilities.get(Capability.DLT))
    return frozenset(out if able else out | {Capability.DLT})
