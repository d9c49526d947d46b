"""The links of the console's navigation, in order, and the right that each requires."""

from dataclasses import dataclass

from schema.user import UserSession
from schema.vocabulary import Right


@dataclass(frozen=True, slots=True)
class NavigationLink:
    """A link to a subject."""

    path: str
    title: str
    right: Right
    #: only operators see it: it is about the installation, not about an account
    is_for_operators: bool = False


LINKS = (
    NavigationLink("/", "Overview", Right.VIEW),
    NavigationLink("/messages", "Messages", Right.VIEW),
    NavigationLink("/campaigns", "Campaigns", Right.VIEW),
    NavigationLink("/inbound", "Inbound", Right.VIEW),
    NavigationLink("/opt-outs", "Opt-outs", Right.VIEW),
    NavigationLink("/webhooks", "Webhooks", Right.VIEW),
    NavigationLink("/accounts", "Accounts", Right.VIEW),
    NavigationLink("/users", "Users", Right.MANAGE_USERS),
    NavigationLink("/audit-log", "Audit log", Right.VIEW_AUDIT_LOG),
    # the installation's
    NavigationLink("/carriers", "Carriers", Right.VIEW_OPERATIONS, is_for_operators=True),
    NavigationLink("/routes", "Routes and prices", Right.VIEW_OPERATIONS, is_for_operators=True),
    NavigationLink("/held-batches", "Held batches", Right.VIEW_OPERATIONS, is_for_operators=True),
    NavigationLink("/dead-letters", "Dead letters", Right.VIEW_OPERATIONS, is_for_operators=True),
)


def links_of(session: UserSession) -> list[NavigationLink]:
    """Return the links that this user may follow."""
    user = session.user
    return [
        each for each in LINKS if each.right in user.rights and not (each.is_for_operators and user.account is not None)
    ]
