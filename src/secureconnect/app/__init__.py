"""The composition root: settings, wiring, lifecycle, command line. The only place that imports everything."""
