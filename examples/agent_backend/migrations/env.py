"""Alembic runs this; the engine and the tables are the application's own."""

from alembic import context
from app.db import Base, engine

with engine.connect() as connection:
    # SQLite cannot alter a column in place; batch mode copies the table.
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
