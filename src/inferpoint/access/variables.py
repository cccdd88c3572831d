"""The variables of the environment that hold keys: the administrator's, for the server, and a caller's own."""

from __future__ import annotations

ADMIN_KEY, ADMIN_KEY_FILE = "INFERPOINT_ADMIN_KEY", "INFERPOINT_ADMIN_KEY_FILE"
API_KEY, API_KEY_FILE = "INFERPOINT_API_KEY", "INFERPOINT_API_KEY_FILE"
CA_CERT = "INFERPOINT_CA_CERT"  # of who signed the server's certificate, for the command line
VARIABLES = (ADMIN_KEY, ADMIN_KEY_FILE, API_KEY, API_KEY_FILE, CA_CERT)
