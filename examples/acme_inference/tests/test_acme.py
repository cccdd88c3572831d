"""Every promise of a service, asked of Acme."""

from pathlib import Path

from acme_inference import SERVICE

from inferpoint.testing import contract

test_contract = contract(SERVICE, Path(__file__).parent / "conversations")
