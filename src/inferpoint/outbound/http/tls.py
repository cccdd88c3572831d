"""TLS to a provider: what is trusted, and what is wrong with a certificate that is not."""

from __future__ import annotations

import ssl

# Numbers of OpenSSL's X509_V_ERR_*.
_FAULTS = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "is signed by one that is self-signed and not trusted here",
    20: "is signed by an authority that is not trusted here",
    21: "is signed by an authority that is not trusted here",
    23: "was revoked",
    62: "is for another host",
    64: "is for another host",
}


def context() -> ssl.SSLContext:
    """What the system trusts, or what the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name."""
    trusted = ssl.create_default_context()
    trusted.set_alpn_protocols(["http/1.1"])
    return trusted


def fault(error: ssl.SSLError) -> str:
    """Why there is no TLS, as a sentence about the provider's side of it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate {_FAULTS.get(error.verify_code, f'is not valid: {error.verify_message}')}"
    return f"it does not speak TLS as it should ({(error.reason or 'unknown').replace('_', ' ').lower()})"
