"""HTTP/1.1 to a model's server: connections, proxies, certificates."""
