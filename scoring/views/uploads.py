"""Files as browsers send them: told apart by their ending, streamed to disk, no more of each than allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import (
    FileUploadHandler,
    MemoryFileUploadHandler,
    TemporaryFileUploadHandler,
)
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect

from scoring.archive import PICTURE_CAP, TOTAL_CAP
from scoring.errors import BadInputError, TooLargeError
from scoring.models import ImportJob
from scoring.rows import BYTE_CAP as TABLE_CAP

Kind = ImportJob.Kind
KINDS = {
    ".zip": Kind.ARCHIVE,
    ".csv": Kind.TABLE,
    ".tsv": Kind.TABLE,
    ".jsonl": Kind.TABLE,
    ".ndjson": Kind.TABLE,
    ".json": Kind.TABLE,
    ".txt": Kind.URLS,
}
CAPS: Mapping[str, int] = {Kind.ARCHIVE: TOTAL_CAP, Kind.TABLE: TABLE_CAP, Kind.URLS: TABLE_CAP}
REQUEST_CAP = TOTAL_CAP + 2**20  # an archive and the form around it


def kind_of(name: str) -> str:
    """The kind of import a file of this name is for; what is no archive or table is tried as a picture."""
    return KINDS.get(PurePosixPath(name.lower()).suffix, Kind.UPLOAD)


def by_kind(files: Sequence[UploadedFile[Any]]) -> tuple[list[UploadedFile[Any]], list[UploadedFile[Any]]]:
    """Pictures, which share one import, and archives and tables, which are one each."""
    pictures = [file for file in files if kind_of(file.name or "") == Kind.UPLOAD]
    return pictures, [file for file in files if kind_of(file.name or "") != Kind.UPLOAD]


class CappedUploadHandler(FileUploadHandler):
    """Lets one byte more through than a file may have, so that the station sees it is too large, and drops
    the rest: a disk is not filled by what will be refused anyway."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._left = CAPS.get(kind_of(self.file_name or ""), PICTURE_CAP) + 1

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        kept = raw_data[: self._left]
        self._left -= len(kept)
        return kept or None

    def file_complete(self, file_size: int) -> None:
        """The handlers below have the file."""


def streamed(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view that takes files: large ones go to disk, and what is over a limit is refused in words.

    The form's token stands in the body too, so it is checked here, after the limits are in place: the
    view must be exempt from the site-wide check (``csrf_exempt``).
    """
    checked = csrf_protect(view)

    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if int(request.META.get("CONTENT_LENGTH") or 0) > REQUEST_CAP:
            raise TooLargeError(_("More than 2 GB at once cannot be taken. Send the files in parts."))
        request.upload_handlers = [
            CappedUploadHandler(request),
            MemoryFileUploadHandler(request),
            TemporaryFileUploadHandler(request),
        ]
        try:
            return checked(request, *args, **kwargs)
        except TooManyFilesSent as error:
            raise TooLargeError(
                _("Too many files at once. Send them in parts, or as a zip archive."), code="too_many_files"
            ) from error
        except (RequestDataTooBig, TooManyFieldsSent) as error:
            raise TooLargeError(_("The text sent is too long. Send it as a file.")) from error
        except MultiPartParserError as error:
            raise BadInputError(_("The upload is damaged. Send it again."), code="bad_upload") from error

    return guarded
