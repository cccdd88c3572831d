"""Runs one Python example of the pages, from standard input, with a client of the server at the given address."""

import sys

from elasticsearch import Elasticsearch

with Elasticsearch(sys.argv[1]) as client:
    exec(sys.stdin.read(), {"client": client})
