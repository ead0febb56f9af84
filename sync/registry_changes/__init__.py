"""Changes of the registry as data: checked, applied to the grids that stand, and followed by the items in them."""
