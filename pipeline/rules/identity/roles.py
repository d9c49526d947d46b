"""Which role of a user has which rights."""

from collections.abc import Collection, Mapping

from schema.vocabulary import Right, Role

_VIEWER = frozenset({Right.VIEW, Right.VIEW_OPERATIONS})

RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.VIEWER: _VIEWER,
    Role.SUPPORT: _VIEWER
    | {
        Right.REVEAL_NUMBERS,
        Right.CANCEL_MESSAGES,
        Right.RESEND_MESSAGES,
        Right.EDIT_OPT_OUTS,
        Right.REPLAY_WEBHOOKS,
    },
    Role.CAMPAIGN_MANAGER: _VIEWER | {Right.EDIT_CAMPAIGNS, Right.CONTROL_CAMPAIGNS, Right.EDIT_TEMPLATES},
    Role.APPROVER: _VIEWER | {Right.APPROVE_CAMPAIGNS, Right.VIEW_MONEY},
    Role.FINANCE: _VIEWER | {Right.VIEW_MONEY, Right.CHANGE_MONEY},
    Role.ADMIN: frozenset(Right),
}

#: what no user of an account may do, whatever his roles: these change what the account is held to, or the installation
OPERATORS_ONLY = frozenset(
    {
        Right.VIEW_OPERATIONS,
        Right.EDIT_SENDERS,
        Right.CHANGE_MONEY,
        Right.OPERATE_CARRIERS,
        Right.OPERATE_BROKER,
        Right.EDIT_ACCOUNTS,
    }
)


def rights_of(roles: Collection[Role], *, is_operator: bool) -> frozenset[Right]:
    """Return the rights that these roles have together, of an operator or of an account's user."""
    rights = frozenset[Right]().union(*(RIGHTS[role] for role in roles))
    return rights if is_operator else rights - OPERATORS_ONLY
