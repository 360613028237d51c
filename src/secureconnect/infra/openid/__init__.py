"""OpenID Connect as a relying party: the port in `base`, the protocol in `client`."""
