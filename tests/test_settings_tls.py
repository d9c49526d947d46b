"""TLS options of Redis URLs: the same meaning for kombu and redis-py, and errors at the start."""

import ssl
from pathlib import Path

import pytest
import redis
from kombu import Connection

from pipeline.errors import ConfigurationError
from pipeline.settings import Settings, settings

REDIS_PY = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}


@pytest.mark.parametrize(
    ("query", "verified"),
    [
        pytest.param("", ssl.CERT_REQUIRED, id="nothing said"),
        pytest.param("?ssl_cert_reqs=CERT_REQUIRED", ssl.CERT_REQUIRED, id="kombu's word"),
        pytest.param("?ssl_cert_reqs=required", ssl.CERT_REQUIRED, id="redis-py's word"),
        pytest.param("?ssl_cert_reqs=CERT_OPTIONAL", ssl.CERT_OPTIONAL, id="optional"),
        pytest.param("?ssl_cert_reqs=CERT_NONE", ssl.CERT_NONE, id="none"),
        pytest.param("?ssl_ca_certs=FILE", ssl.CERT_REQUIRED, id="an authority of one's own"),
    ],
)
@pytest.mark.parametrize("name", ["broker_url", "valkey_url"])
def test_kombu_and_redis_py_read_the_same_tls_options(
    name: str, query: str, verified: ssl.VerifyMode, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").touch()
    written = f"rediss://:pass%2Fword@db:6390/3{query.replace('FILE', str(tmp_path / 'ca.pem'))}"

    url = getattr(Settings.model_validate({name: written}), name).get_secret_value()

    kombu, pool = Connection(url), redis.ConnectionPool.from_url(url)
    assert isinstance(kombu.ssl, dict)
    assert kombu.ssl["ssl_cert_reqs"] == verified
    assert REDIS_PY[pool.connection_kwargs["ssl_cert_reqs"]] == verified
    assert (kombu.password, kombu.port, pool.connection_kwargs["password"]) == ("pass/word", 6390, "pass/word")
    assert kombu.ssl.get("ssl_ca_certs") == pool.connection_kwargs.get("ssl_ca_certs")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rediss://:secret@db/0?ssl_cert_reqs=always", "ssl_cert_reqs must be required, optional or none"),
        ("rediss://:secret@db/0?ssl_cert_req=required", "unknown option ssl_cert_req"),
        ("rediss://:secret@db/0?ssl_ca_certs=/nowhere/ca.pem", "the file in ssl_ca_certs does not exist"),
        ("rediss://:secret@db/0?ssl_cert_reqs=", "ssl_cert_reqs must be required, optional or none"),
        ("rediss://:secret@db/0?SSL_CERT_REQS=required", "unknown option SSL_CERT_REQS"),
        ("redis://:secret@db/0?ssl_cert_reqs=required", "ssl_cert_reqs requires rediss://"),
        # either library would trip over these, each in its own way
        ("redis://:secret@db/0?socket_timeout=x", "unknown option socket_timeout"),
        ("redis://:secret@db/0?virtual_host=1", "unknown option virtual_host"),
        ("redis://:secret@db/zero", "the database after the / must be a number"),
        ("rediss://:secret@db/-1", "the database after the / must be a number"),
    ],
)
@pytest.mark.parametrize("name", ["POSTROAD_BROKER_URL", "BROKER_URL", "POSTROAD_VALKEY_URL"])
def test_an_invalid_option_of_a_redis_url_is_a_configuration_error(
    name: str, url: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in ("POSTROAD_BROKER_URL", "BROKER_URL", "POSTROAD_VALKEY_URL"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, url)
    settings.cache_clear()

    with pytest.raises(ConfigurationError) as caught:
        settings()
    settings.cache_clear()

    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "redis://:p@db:1/0", "redis://db", "redis://db/", "amqp://a:b@db/x?ssl=1"])
def test_urls_without_tls_options_are_unchanged(url: str) -> None:
    assert Settings.model_validate({"broker_url": url}).broker_url.get_secret_value() == url
