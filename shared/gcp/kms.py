"""The wrapping key of a deployment in Cloud KMS: the key itself never leaves the service.

What is sent and received carries checksums (CRC32C), as Google recommends; the context of a data
key is additional authenticated data, so that it is unwrapped for nobody else.
"""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import grpc
from google.api_core.exceptions import (
    DeadlineExceeded,
    FailedPrecondition,
    GoogleAPIError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ServiceUnavailable,
    Unauthenticated,
)
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google_crc32c import value as crc32c

from shared.errors import PermanentError, SynclineError, TransientError
from shared.gcp.sealing import WrappedKey
from shared.late_imports import importing
from shared.logs import log_event

if TYPE_CHECKING:
    from google.cloud.kms_v1 import DecryptResponse, EncryptResponse, KeyManagementServiceClient

_log = logging.getLogger(__name__)
_CALL_TIMEOUT_SECONDS = 5.0
_TRIES_UNTIL_INTACT = 3
# Both calls can be repeated: one that was lost has changed nothing.
_RETRY = Retry(
    predicate=if_exception_type(ServiceUnavailable, DeadlineExceeded),
    initial=0.1,
    maximum=2.0,
    timeout=15.0,
)
_VERSIONS = "/cryptoKeyVersions/"
_PROBE = b"which version is the newest"
_OPERATORS = "internal"
"""The reason of what the workspace can do nothing about."""

_AnyResponse = TypeVar("_AnyResponse")


class KmsKey:
    """A symmetric key of Cloud KMS; its primary version wraps, every enabled one unwraps."""

    def __init__(self, name: str, *, emulator: str | None = None) -> None:
        """`name` is the key's resource name without a version; `emulator` is host:port."""
        self._name = name
        self._emulator = emulator
        self._opened: KeyManagementServiceClient | None = None
        self._lock = threading.Lock()

    def newest_version(self) -> str:
        """Return the resource name of the version that wraps now.

        It wraps to find out: reading the key would take one more permission.
        """
        return self.wrap(_PROBE, _PROBE).version

    def wrap(self, data_key: bytes, context: bytes, /) -> WrappedKey:
        """Return the data key, wrapped by the primary version for this context."""
        request = {
            "name": self._name,
            "plaintext": data_key,
            "plaintext_crc32c": crc32c(data_key),
            "additional_authenticated_data": context,
            "additional_authenticated_data_crc32c": crc32c(context),
        }

        def call(client: "KeyManagementServiceClient") -> "EncryptResponse":
            return client.encrypt(request, retry=_RETRY, timeout=_CALL_TIMEOUT_SECONDS)

        response = self._ask(call, self._is_intact, _why_not_wrapped)
        return WrappedKey(response.ciphertext, response.name)

    def unwrap(self, wrapped: WrappedKey, context: bytes, /) -> bytes:
        """Return the data key; raise `PermanentError` unless it was wrapped for this context."""
        if not self._has(wrapped.version):
            raise PermanentError(
                "The secrets are sealed with another key than this deployment's key of Cloud KMS."
                " Its operator has to set that one again, or enter the secrets again."
            )
        request = {
            "name": self._name,
            "ciphertext": wrapped.wrapped,
            "ciphertext_crc32c": crc32c(wrapped.wrapped),
            "additional_authenticated_data": context,
            "additional_authenticated_data_crc32c": crc32c(context),
        }

        def call(client: "KeyManagementServiceClient") -> "DecryptResponse":
            return client.decrypt(request, retry=_RETRY, timeout=_CALL_TIMEOUT_SECONDS)

        return self._ask(call, _is_intact_plaintext, _why_not_unwrapped).plaintext

    def close(self) -> None:
        """Close the connection to Cloud KMS."""
        with self._lock:
            if self._opened is not None:
                self._opened.transport.close()
                self._opened = None

    def _ask(
        self,
        call: Callable[["KeyManagementServiceClient"], _AnyResponse],
        is_intact: Callable[[_AnyResponse], bool],
        why_not: Callable[[GoogleAPIError | GoogleAuthError], SynclineError],
    ) -> _AnyResponse:
        try:
            client = self._client()
            for _ in range(_TRIES_UNTIL_INTACT):
                response = call(client)
                if is_intact(response):
                    return response
        except (GoogleAPIError, GoogleAuthError) as error:
            log_event(
                _log,
                logging.ERROR,
                "kms_failed",
                "Cloud KMS did not do what it was asked to",
                key=self._name,
                error_class=type(error).__name__,
            )
            raise why_not(error) from error
        raise TransientError(
            "What was sent to Cloud KMS, or its answer, was damaged on the way.", code=_OPERATORS
        )

    def _client(self) -> "KeyManagementServiceClient":
        with self._lock:
            if self._opened is None:
                self._opened = kms_client(self._emulator)
            return self._opened

    def _has(self, version: str) -> bool:
        # All but the project, which has a name and a number.
        key = version.rpartition(_VERSIONS)[0]
        return key.split("/")[2:] == self._name.split("/")[2:]

    def _is_intact(self, response: "EncryptResponse") -> bool:
        return (
            response.verified_plaintext_crc32c
            and response.verified_additional_authenticated_data_crc32c
            and self._has(response.name)
            and response.ciphertext_crc32c == crc32c(response.ciphertext)
        )


def kms_client(emulator: str | None) -> "KeyManagementServiceClient":
    """Return a client of the local Cloud KMS at `host:port`, or of Google's if there is none."""
    # A quarter of a second, for which only secrets should wait.
    with importing():
        from google.cloud.kms_v1 import KeyManagementServiceClient  # noqa: PLC0415
        from google.cloud.kms_v1.services.key_management_service.transports import (  # noqa: PLC0415
            KeyManagementServiceGrpcTransport,
        )

    if emulator is None:
        return KeyManagementServiceClient()
    channel = grpc.insecure_channel(emulator)
    return KeyManagementServiceClient(transport=KeyManagementServiceGrpcTransport(channel=channel))


def _is_intact_plaintext(response: "DecryptResponse") -> bool:
    return response.plaintext_crc32c == crc32c(response.plaintext)


def _why_not_wrapped(error: GoogleAPIError | GoogleAuthError) -> SynclineError:
    if isinstance(error, InvalidArgument):
        return PermanentError(
            "Cloud KMS does not encrypt with this deployment's key. Its operator has to name a"
            " symmetric one (ENCRYPT_DECRYPT) in SYNCLINE_KMS_KEY.",
            code=_OPERATORS,
        )
    return _why_not(error)


def _why_not_unwrapped(error: GoogleAPIError | GoogleAuthError) -> SynclineError:
    if isinstance(error, InvalidArgument):
        return PermanentError(
            "The secrets do not open with this deployment's key of Cloud KMS: they are damaged, or"
            " were sealed for another connector. Enter them again."
        )
    return _why_not(error)


def _why_not(error: GoogleAPIError | GoogleAuthError) -> SynclineError:
    match error:
        case NotFound():
            what = (
                "This deployment's key of Cloud KMS does not exist. Its operator has to create it,"
                " or to correct SYNCLINE_KMS_KEY."
            )
        case PermissionDenied() | Unauthenticated():
            what = (
                "This deployment may not use its key of Cloud KMS. Its operator has to grant its"
                " service account roles/cloudkms.cryptoKeyEncrypterDecrypter on the key."
            )
        case FailedPrecondition():
            what = (
                "The version of this deployment's key of Cloud KMS that is needed is disabled or"
                " destroyed. Its operator has to enable or restore it; secrets that were sealed"
                " with a version that is gone have to be entered again."
            )
        case _:
            return TransientError(
                f"Cloud KMS cannot be used now ({type(error).__name__}).", code=_OPERATORS
            )
    return PermanentError(what, code=_OPERATORS)
