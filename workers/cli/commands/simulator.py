"""`postroad simulator`: runs the carrier simulator, over HTTP and SMPP."""

from pathlib import Path

import click

from workers import logs
from workers.lab.simulator import simulator_server

_EPILOG = """
\b
A script gives the share of messages of each outcome; the rest is accepted and delivered:
  {"refuse_transient": 0.05, "throttle:1": 0.03, "drop": 0.02, "numbers": {"0001": "refuse:21"},
   "receipts": {"failed:5": 0.02, "delay": [0.1, 1.5]}, "limit_tps": 50, "latency_ms": 20, "seed": 7}
Outcomes: accept refuse refuse_transient throttle queue_full nack bad_gateway gateway_timeout silent half_open hang_up
  reset drop garbage slow trickle.
Receipts: delivered failed late duplicate out_of_order stranger never.
SMPP: the carrier's name is the system_id; further settings are in "smpp":
  {"smpp": {"password": "secret", "ids": "hex", "receipt_ids": "decimal", "receipts": "text"}}
An MO message: POST /{carrier}/inbound {"from": "+234…", "to": "2345", "text": "STOP"}
"""


@click.command(epilog=_EPILOG)
@click.option("--carrier", "carriers", multiple=True, metavar="NAME[={…}]", help="A carrier and its script, as JSON.")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Scripts by carrier, in a JSON or TOML file.",
)
@click.option("--seed", default=0, show_default=True, help="The seed that selects which messages fail.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8090,
    show_default=True,
    envvar="POSTROAD_SIMULATOR_PORT",
    help="The HTTP port; 0 takes a free one and prints it.",
)
@click.option(
    "--smpp-port",
    type=click.IntRange(0, 65535),
    default=2775,
    show_default=True,
    envvar="POSTROAD_SIMULATOR_SMPP_PORT",
    help="The SMPP port; 0 takes a free one.",
)
@click.option(
    "--smpp-certificate",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Use SMPP over TLS, with this certificate and key (PEM).",
)
@click.option("--log", type=click.Path(path_type=Path), help="Append each decision to this file, as JSON lines.")
@click.option("--fsync", is_flag=True, help="fsync each line of the log.")
def simulator(
    carriers: tuple[str, ...],
    config: Path | None,
    seed: int,
    host: str,
    port: int,
    smpp_port: int,
    smpp_certificate: Path | None,
    log: Path | None,
    fsync: bool,
) -> None:
    """Simulate carriers over HTTP and SMPP 3.4, until told to stop.

    Without --carrier and --config there are `alpha`, which refuses a tenth of its messages, and `beta`, which closes
    the connection on one in a hundred. No message reaches a phone.
    """
    logs.set_up("simulator", "WARNING")
    simulator_server.main(
        carriers,
        config=config,
        seed=seed,
        host=host,
        port=port,
        smpp_port=smpp_port,
        certificate=smpp_certificate,
        log=log,
        fsync=fsync,
    )
