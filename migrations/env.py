"""Alembic's entry: the connection is always handed in, so that every caller decides on locks and URLs itself."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
