"""Closed sets of who acts and who may do what: kinds of actors; roles, rights and one-time links of users."""

from enum import StrEnum


class ActorKind(StrEnum):
    """Who makes a change of configuration or control."""

    #: a user of the operating system, at the command line
    OS_USER = "os_user"
    #: an API key
    API_KEY = "api_key"
    #: a user of the console
    USER = "user"
    #: the product itself
    SYSTEM = "system"
    #: a database user outside the product
    DATABASE = "database"


class Role(StrEnum):
    """A set of rights that users of the console have; a user may have several."""

    #: looks, and changes nothing
    VIEWER = "viewer"
    #: helps recipients and customers: finds, cancels and resends messages
    SUPPORT = "support"
    #: makes and runs campaigns
    CAMPAIGN_MANAGER = "campaign_manager"
    #: approves campaigns that others made
    APPROVER = "approver"
    #: sees and changes money
    FINANCE = "finance"
    #: everything, users too
    ADMIN = "admin"


class Right(StrEnum):
    """One thing that a user may do. `rules/identity/roles.py` says which role has which."""

    #: messages, campaigns, senders, templates and webhooks, with masked numbers
    VIEW = "view"
    #: carriers, routes, queues and the broker: the installation's, shown to operators only
    VIEW_OPERATIONS = "view_operations"
    #: a recipient's number in full; each time is entered in the audit log
    REVEAL_NUMBERS = "reveal_numbers"
    #: cancel messages that are not sent yet
    CANCEL_MESSAGES = "cancel_messages"
    #: send messages again where that is allowed
    RESEND_MESSAGES = "resend_messages"
    #: opt numbers out and in
    EDIT_OPT_OUTS = "edit_opt_outs"
    #: send webhooks again
    REPLAY_WEBHOOKS = "replay_webhooks"
    #: create campaigns, load recipients, check, change
    EDIT_CAMPAIGNS = "edit_campaigns"
    #: approve the quote of a campaign
    APPROVE_CAMPAIGNS = "approve_campaigns"
    #: start, pause, resume, abort and limit campaigns
    CONTROL_CAMPAIGNS = "control_campaigns"
    #: create and change templates
    EDIT_TEMPLATES = "edit_templates"
    #: approve and reject sender ids
    EDIT_SENDERS = "edit_senders"
    #: create, rotate and revoke API keys
    MANAGE_KEYS = "manage_keys"
    #: wallets, prices, and the ledger
    VIEW_MONEY = "view_money"
    #: top up, grant, set credit limits
    CHANGE_MONEY = "change_money"
    #: drain, resume and limit carriers
    OPERATE_CARRIERS = "operate_carriers"
    #: requeue and drop dead broker messages and parked batches
    OPERATE_BROKER = "operate_broker"
    #: suspend and resume accounts, demand a second approver
    EDIT_ACCOUNTS = "edit_accounts"
    #: the audit log
    VIEW_AUDIT_LOG = "view_audit_log"
    #: create and disable users, set their roles, end their sessions
    MANAGE_USERS = "manage_users"


class LinkPurpose(StrEnum):
    """What a one-time link lets its user do."""

    #: sign in without a password; a second factor is asked for nevertheless
    SIGN_IN = "sign_in"
    #: set a password, and sign in
    SET_PASSWORD = "set_password"  # noqa: S105 - a purpose
