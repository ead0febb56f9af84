-- Losers are found by their winner whenever an item is erased, settled or looked at.
CREATE INDEX item_link_winner ON item_link (winner);
