"""Pure values that every layer may use: ids, time, errors, text, cursors, principals, hints."""
