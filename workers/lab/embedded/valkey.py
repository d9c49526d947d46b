"""The embedded Valkey: append-only file, no eviction, served on 127.0.0.1 with a password."""

import signal

from workers import generated_secrets
from workers.lab.embedded import orphaned_server
from workers.lab.embedded.data_folder import DataFolder, write_as
from workers.lab.embedded.programs import find_valkey
from workers.lab.embedded.server_process import Server
from workers.running_servers import valkey_answers

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
dir {data}
pidfile {data}/valkey.pid
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
proc-title-template "{{title}} {{listen-addr}} {{config-file}}"
"""


def prepare(folder: DataFolder) -> Server:
    """Return the server, ready to be launched: an orphaned server stopped, its configuration written."""
    program = find_valkey(folder)
    data = folder.folder("valkey")
    configuration = data / "valkey.conf"
    orphaned_server.clear(data / "valkey.pid", str(configuration), signal.SIGTERM)

    port, password = generated_secrets.port(folder.data, "valkey"), generated_secrets.password(folder.data, "valkey")
    write_as(folder.account, configuration, _CONFIGURATION.format(port=port, password=password, data=data))
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    return Server(
        name="Valkey",
        argv=[str(program.path), str(configuration)],
        url=url,
        account=folder.account,
        log=folder.log("valkey"),
        stop_signal=signal.SIGTERM,
        answers=lambda: valkey_answers(url),
    )
