"""What each driver is told about encryption. Files are there for as long as it reads them."""

import os
import ssl
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import certifi

from shared.connectors.database.tls import Tls, TlsMode
from shared.egress.addresses import Address

_NO_FILE = f"{os.devnull}/none"
_VERIFIED = (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL)


@contextmanager
def libpq_parameters(tls: Tls, addresses: Sequence[Address]) -> Generator[Mapping[str, str]]:
    """Yield libpq's parameters for a connection to these addresses; use them in the block."""
    mode = tls.mode_for(addresses)
    with _written(tls) as files:
        authorities = files.get("authority", certifi.where()) if mode in _VERIFIED else _NO_FILE
        yield {
            "sslmode": "prefer" if mode is None else mode.value,
            # Without these libpq takes what it finds in the home folder of this machine.
            "sslrootcert": authorities,
            "sslcert": files.get("certificate", _NO_FILE),
            "sslkey": files.get("key", _NO_FILE),
        }


def pymysql_parameters(tls: Tls, address: Address) -> Mapping[str, Any]:
    """Return PyMySQL's parameters for a connection to this address."""
    match tls.mode_for([address]):
        case None:
            return {}
        case TlsMode.DISABLE:
            return {"ssl_disabled": True}
        case mode:
            return {"ssl": tls_context(tls, mode)}


def tls_context(tls: Tls, mode: TlsMode) -> ssl.SSLContext:
    """Return the standard library's settings for a connection under TLS, in this mode."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode is TlsMode.VERIFY_FULL
    context.verify_mode = ssl.CERT_REQUIRED if mode in _VERIFIED else ssl.CERT_NONE
    if mode in _VERIFIED and tls.authority is None:
        context.load_verify_locations(cafile=certifi.where())
    elif mode in _VERIFIED:
        context.load_verify_locations(cadata=tls.authority)
    if tls.certificate is not None:
        with _written(tls) as files:
            context.load_cert_chain(files["certificate"], files["key"])
    return context


@contextmanager
def _written(tls: Tls) -> Generator[Mapping[str, str]]:
    """Yield the paths of the PEM texts that there are, in a folder that only we can enter."""
    texts = {"authority": tls.authority, "certificate": tls.certificate, "key": tls.key}
    with TemporaryDirectory(prefix="syncline-tls-") as folder:
        files: dict[str, str] = {}
        for name, text in texts.items():
            if text is not None:
                path = Path(folder) / name
                path.touch(mode=0o600)
                path.write_text(text)
                files[name] = str(path)
        yield files
