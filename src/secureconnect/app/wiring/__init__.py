"""How each feature is put together from what it stands on; `app.product` calls these in order."""
