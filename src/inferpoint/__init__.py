"""The Elasticsearch Inference API for every model provider, without a cluster."""

__version__ = "0.1.0"
