"""What only a real browser shows. Run by `make browser`; needs Chromium, which `CHROMIUM` may name."""
