"""Words of the Label page that its script says, in the reader's language, and the names of its keys."""

from __future__ import annotations

from django.utils.translation import gettext as _

from scoring.words import DEFECT_WORDS, VOTE_WORDS


def actions() -> list[dict[str, str]]:
    """Everything a key can do, in the order of the key list; the keys themselves stand in keys.js."""
    rates = [
        {"id": f"rate{vote}", "group": _("Rate"), "words": f"{vote} {words}"}
        for vote, words in VOTE_WORDS.items()
    ]
    plain = {
        "accept": _("Accept the model's score"),
        "undo": _("Undo, as often as you like"),
        "skip": _("Skip"),
        "flag": _("Flag with a note"),
        "zoom": _("Zoom to single pixels, and back"),
        "boxes": _("Show where points are lost"),
        "examples": _("Examples: worst, middle and best"),
        "help": _("This list"),
    }
    rest = [{"id": name, "group": _("Go on"), "words": words} for name, words in plain.items()]
    defects = [
        {"id": f"defect:{code}", "group": _("Defects"), "words": str(words)}
        for code, words in DEFECT_WORDS.items()
    ]
    return rates + rest + defects


def script_words() -> dict[str, str]:
    """Sentences with {places} that the script fills."""
    return {
        "saved": _("Saved"),
        "waiting": _("{n} waiting"),
        "offline": _("Offline"),
        "offlineWaiting": _("Offline, {n} kept here"),
        "signedOut": _("You were logged out. {n} answers are kept in this browser; log in to send them."),
        "otherPerson": _(
            "Somebody else is logged in here now. Log in as yourself and your {n} answers will be sent."
        ),
        "logIn": _("Log in"),
        "notKept": _("This browser keeps nothing across a reload; wait for “Saved” before you close it."),
        "refused": _("Not taken: {title}, {rating}. {why}"),
        "refusedSkip": _("Not skipped: {title}. {why}"),
        "gotIt": _("Got it"),
        "tryAgain": _("Try again"),
        "keepEarlier": _("Keep my {rating}"),
        "replaceEarlier": _("Change it to {rating}"),
        "acceptedAs": _("accepted"),
        "announceVote": _("Rated {rating}."),
        "announceSkip": _("Skipped."),
        "announceUndo": _("Taken back."),
        "announcePicture": _("Next: {title}. {score}"),
        "modelSays": _("The model says {score}, {grade}."),
        "modelHidden": _("The model's score is hidden."),
        "notScored": _("Not scored yet."),
        "blindHint": _("The score is hidden for this picture: rate it from 1 to 5."),
        "noScoreHint": _("There is no score to accept yet: rate from 1 to 5."),
        "loadingHint": _("One moment, the picture is still coming."),
        "brokenPicture": _("This picture cannot be shown. Skip it, and tell an admin."),
        "coming": _("The next picture is on its way"),
        "comingOffline": _("Offline. The next picture comes when the network is back."),
        "noExamples": _("There are no examples yet: no picture has its label."),
        "nothingToUndo": _("There is nothing left to undo."),
        "undoWords": _("Undo {rating}"),
        "undoSkip": _("Undo skip"),
        "undo": _("Undo"),
        "lost": _("That picture went to somebody else while you were away."),
        "dimensionHint": _("1–5 now rate {dimension}; Escape goes back to the whole picture."),
        "dimensionSet": _("{dimension}: {rating}"),
        "flagged": _("Flagged. Now rate it, and it goes to a reviewer."),
        "unflagged": _("No longer flagged."),
        "defectOn": _("{defect}: yes"),
        "defectOff": _("{defect}: no"),
        "fit": _("Whole picture"),
        "native": _("1 : 1"),
        "noBoxes": _("Nothing to show: the score is hidden or not there yet."),
        "noHeat": _("No heatmap yet: the model is not ready. Ask again in a moment."),
        "noHeatOffline": _("No heatmap while you are offline."),
        "pause": _("You have looked for {n} minutes. Eyes see more after five minutes away."),
        "minutes": _("{n} min"),
        "pressKey": _("Press a key"),
        "keyTaken": _("{key} is taken by “{action}”. Press another key, or Escape."),
        "keyReserved": _("{key} is needed elsewhere. Press another key, or Escape."),
        "keySet": _("“{action}” is now {key}."),
        "change": _("Change the key of “{action}”, now {key}"),
        "space": _("Space"),
        "today": _("{done} of {all} today"),
        "of": _("{n} of 5"),
    }


SHARED = (
    "saved",
    "waiting",
    "offline",
    "offlineWaiting",
    "signedOut",
    "otherPerson",
    "logIn",
    "notKept",
    "gotIt",
    "tryAgain",
    "pause",
    "minutes",
    "comingOffline",
    "announceUndo",
    "nothingToUndo",
    "loadingHint",
    "undo",
)


def compare_words() -> dict[str, str]:
    """The same for the Compare page."""
    spoken = script_words()
    return {name: spoken[name] for name in SHARED} | {
        "today": _("{n} today"),
        "left": _("Left is better"),
        "right": _("Right is better"),
        "upper": _("Upper is better"),
        "lower": _("Lower is better"),
        "cannot_say": _("Can't say"),
        "refused": _("Not taken: {title}. {why}"),
        "announceAnswer": _("{answer}."),
        "announcePair": _("Next: {left} on the left, {right} on the right."),
        "coming": _("The next pair is on its way"),
        "brokenPair": _("One of these pictures cannot be shown. Say that you can't tell, and tell an admin."),
    }


def grid_words() -> dict[str, str]:
    """The same for the Grid page."""
    spoken = script_words()
    return {name: spoken[name] for name in SHARED} | {
        "today": _("{n} today"),
        "confirmAll": _("Confirm all {n}"),
        "confirmSome": _("Confirm {n}, change {changed}"),
        "question": _("These look {words}. Are they?"),
        "tileRated": _("{title}: {rating}"),
        "tileSkipped": _("{title}: skip"),
        "tileClear": _("{title}: as the others"),
        "announceSheet": _("Next: {n} pictures that look {words}."),
        "announceConfirm": _("{n} pictures rated."),
        "coming": _("The next sheet is on its way"),
        "partly": _("{n} of {all} pictures were not taken: {why}"),
        "refused": _("Not taken: {title}. {why}"),
        "sheet": _("{n} pictures"),
    }
