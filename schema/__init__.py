"""The data model: vocabulary, orders, messages, what carriers exchange with us, tables and migrations."""
