"""The terminal client: `console` moves lines, `text` makes them, `talk` is the conversation between both."""
