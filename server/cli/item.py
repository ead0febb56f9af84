"""`onegrid item`: single items."""

from __future__ import annotations

import typer

from server.cli.item_erase import erase
from server.cli.item_explain import explain
from server.cli.item_export import export
from server.cli.item_index import index
from server.cli.item_reading import list_, search, show

app = typer.Typer(no_args_is_help=True)

app.command(name="list")(list_)
app.command()(search)
app.command()(show)
app.command()(explain)
app.command()(export)
app.command()(erase)
app.command()(index)


@app.callback()
def item() -> None:
    """事项 / items: find, show, explain, export and erase them."""
