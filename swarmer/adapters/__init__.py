"""One outside tool per module; foreign exceptions end here."""
