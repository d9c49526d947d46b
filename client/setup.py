"""Builds the client. In a checkout modules and licence are copied from the product; in an sdist they are there."""

from pathlib import Path
from shutil import copyfile

from setuptools import setup

CLIENT = Path(__file__).resolve().parent
PACKAGE = CLIENT / "postroad_client"
#: module of the product → module of the client
COPIED = {
    "schema/message_class.py": "message_class.py",
    "schema/order.py": "order.py",
    "schema/sealed_order.py": "sealed_order.py",
    "workers/producer.py": "producer.py",
}

for source, copy in COPIED.items():
    original = CLIENT.parent / source
    if original.exists():
        text = original.read_text("utf-8").replace("from schema.", "from postroad_client.")
        (PACKAGE / copy).write_text(text, "utf-8")
if all((CLIENT.parent / source).exists() for source in COPIED):
    copyfile(CLIENT.parent / "LICENSE", CLIENT / "LICENSE")

setup()
