"""Why a picture, an archive or a table was refused, in the reader's language; the code stays in the data."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REFUSAL_WORDS: Mapping[str, Promise] = {
    # the picture
    "empty_file": _("The file is empty."),
    "too_large": _("The file is larger than 25 MB."),
    "format_not_allowed": _("This is not a JPEG, PNG, WEBP, GIF or AVIF picture."),
    "too_many_pixels": _("The picture has more than 60 megapixels or a side of more than 16,384 pixels."),
    "too_small": _("The picture is too small."),
    "too_many_scans": _("The JPEG is cut into too many scans."),
    "truncated": _("The end of the file is missing."),
    "unreadable": _("The file is damaged and cannot be read as a picture."),
    "timeout": _("It took too long to read or to fetch the picture."),
    "memory": _("The picture needs too much memory to read."),
    "worker_lost": _("Several workers died on this picture."),
    "file_missing": _("The file is missing from the storage."),
    "fault": _("Something in Vitrine failed on this; the log says what."),
    "bad_name": _("The name of the file cannot be kept; rename it."),
    # the web
    "bad_url": _("This is not a web address that begins with http:// or https://."),
    "blocked_url": _("The address leads into a private network."),
    "port_not_allowed": _("Pictures are fetched from ports 80 and 443 only."),
    "unknown_host": _("No such web host was found."),
    "unreachable": _("The web host could not be reached."),
    "tls_failed": _("The web host could not prove who it is."),
    "too_many_redirects": _("The address led on to another address too often."),
    "bad_status": _("The web host did not give the picture."),
    "bad_answer": _("The web host gave an answer that cannot be read."),
    "encoded_answer": _("The web host packed the answer although asked not to."),
    "not_an_address": _("A table sent by the browser can only name web addresses."),
    # the archive or folder
    "bad_archive": _("This is not a zip archive, or it is damaged."),
    "too_many_entries": _("The archive holds more than 10,000 files."),
    "total_too_large": _("The files in the archive are larger than 2 GB together."),
    "bad_ratio": _("The archive is packed more tightly than pictures can be."),
    "overlap": _("Files in the archive lie over one another."),
    "encrypted": _("The file in the archive needs a password."),
    "bad_entry": _("The file in the archive is damaged or packed in an unknown way."),
    "no_such_entry": _("There is no such file in the archive."),
    "no_such_folder": _("There is no such folder."),
    "outside_folder": _("The path leads out of the folder."),
    "not_a_file": _("There is no such picture file in the folder."),
    # the table
    "no_rows": _("The table is empty."),
    "no_image_column": _("The table has no column of pictures, such as image, url or path."),
    "unknown_kind": _("This kind of table is not known."),
    "too_many_rows": _("The table has more than 1,000,000 rows; the rest was left out."),
    "no_reference": _("This row names no picture."),
    "bad_reference": _("The address of the picture has a line break or another forbidden character."),
    "field_too_long": _("A field of this row is too long."),
    "bad_line": _("This line cannot be read."),
    # labels of other tools
    "bad_label": _("A vote needs a rater and a rating 1 to 5, a prediction a model and a score 0 to 100."),
    "no_rating": _("No annotation of this task is a rating from 1 to 5."),
    "own_label": _("This is our own label, which nobody changed there."),
    "no_image": _("This task has no image."),
    "not_json": _("This is no JSON of a list of tasks."),
}


def refusal_words(code: str, reason: str = "") -> str:
    """The sentence for a code; one without words of its own says the reason that was stored."""
    return str(REFUSAL_WORDS[code]) if code in REFUSAL_WORDS else reason or code
