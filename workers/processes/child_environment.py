"""The environment variables that give a child process the settings of its parent."""

from pipeline.settings import Settings

#: settings that a child process gets, beside those below
_SETTINGS = (
    "gateway_host",
    "gateway_port",
    "console_host",
    "console_port",
    "metrics_host",
    "metrics_port",
    "flower_port",
    "simulator_port",
    "simulator_smpp_port",
)


def child_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables by which a child process has these settings' servers, ports and passwords."""
    return {
        **{f"POSTROAD_{name.upper()}": str(getattr(settings, name)) for name in _SETTINGS},
        "POSTROAD_DATABASE_URL": settings.database_url.get_secret_value(),
        "POSTROAD_BROKER_URL": settings.broker_url.get_secret_value(),
        "POSTROAD_FLOWER_BASIC_AUTH": settings.flower_basic_auth.get_secret_value(),
        "POSTROAD_SECRET_KEY": settings.secret_key.get_secret_value(),
        "POSTROAD_SECRET_KEY_OLD": settings.secret_key_old.get_secret_value(),
        "POSTROAD_HOME": str(settings.home.resolve()),
    }
