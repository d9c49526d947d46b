"""The embedded Valkey: everything appended to its file, nothing ever evicted, on 127.0.0.1 behind a password."""

import signal

from workers import local_state
from workers.lab.embedded import orphaned_server
from workers.lab.embedded.data_folder import DataFolder, write_as
from workers.lab.embedded.programs import find_valkey
from workers.lab.embedded.server_process import Server
from workers.local_servers import valkey_answers

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


def prepare(place: DataFolder) -> Server:
    """Return the server, ready to be launched: leftovers of an earlier start stopped, its settings written."""
    program = find_valkey(place)
    data = place.folder("valkey")
    configuration = data / "valkey.conf"
    orphaned_server.clear(data / "valkey.pid", str(configuration), signal.SIGTERM)

    port, password = local_state.port(place.data, "valkey"), local_state.password(place.data, "valkey")
    write_as(place.account, configuration, _CONFIGURATION.format(port=port, password=password, data=data))
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    return Server(
        name="Valkey",
        argv=[str(program.path), str(configuration)],
        url=url,
        account=place.account,
        log=place.log("valkey"),
        polite=signal.SIGTERM,
        answers=lambda: valkey_answers(url),
    )
