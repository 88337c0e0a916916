"""Every page read by somebody who reads Chinese: no English sentence, no English word that has another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Flag, Project
from labeling.permissions import PAGES
from scoring.models import DatasetVersion, ImportJob, ImportRow, Product, TrainingRun
from scoring.registry import base_model_ensure
from tests.conftest import Cast
from tests.factories import image_make, item_make, score_make

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
SPOKEN = {"aria-label", "title", "placeholder", "alt", "aria-description"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
SENTENCE = re.compile(r"[A-Za-z]{2,}(?:['’]\w+)?(?:[ ,;:]+[A-Za-z]{2,}(?:['’]\w+)?)+")
NAMES = re.compile(r"Label Studio|Hugging Face|JSON [Ll]ines")
CODE = re.compile(r"[a-z_]+")


class Reader(HTMLParser):
    """What a page says: text, spoken attributes, and words handed to scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.scripts: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        is_foreign = tag in {"code", "kbd", "style"} or found.get("lang") == "en"
        quiet = is_foreign or bool(self._open and self._open[-1][1])
        if not quiet:
            words = [
                value for name, value in attrs if value and (name in SPOKEN or name.startswith("data-words"))
            ]
            self.said += [value.strip() for value in words]
        if tag not in VOID:
            self._open.append(("json" if found.get("type") == "application/json" else tag, quiet))

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag not in VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        tag, quiet = self._open[-1] if self._open else ("", False)
        if tag == "json":
            self.scripts.append(data)
        elif tag != "script" and not quiet and data.strip():
            self.said.append(" ".join(data.split()))


def speaks(attribute: str) -> bool:
    """Whether an attribute reaches somebody's eyes or ears."""
    return attribute in SPOKEN or attribute.startswith("data-words")


def strings_in(value: object) -> Iterator[str]:
    """Every string of a JSON value, keys apart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings_in(one)


def english_words() -> set[str]:
    """Single marked strings without gaps to fill whose translation differs."""
    text = CATALOGUE.read_text(encoding="utf-8")
    pairs = re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', text, re.MULTILINE)
    return {msgid for msgid, msgstr in pairs if msgid != msgstr and "%(" not in msgid and "{" not in msgid}


@pytest.fixture
def addresses(cast: Cast) -> list[str]:
    """A project with Chinese data in every corner, and the address of every page about it."""
    Project.objects.filter(pk=cast.project.pk).update(name="夏季目录", guidelines="请按原图查看。")
    products = [
        Product.objects.create(external_id=str(n), title=f"马克杯{n}", category="杯具", seller="甲店")
        for n in range(3)
    ]
    images = [image_make(product=product, stored=True) for product in products]
    for n, image in enumerate(images):
        score_make(image, overall=20.0 + 30 * n)
        item_make(cast.project, image=image)
    flagged = item_make(cast.project, image=image_make(product=products[0], stored=True))
    flagged.state = "flagged"
    flagged.save()
    Flag.objects.create(item=flagged, reason="disagreement", evidence={"lowest": 1, "highest": 4})
    job = ImportJob.objects.create(kind="folder", state="running", label="秋季")
    ImportRow.objects.create(job=job, position=1, reference="a.jpg", state="refused", code="empty")
    dataset = DatasetVersion.objects.create(name="一", digest="0" * 64, row_count=40)
    run = TrainingRun.objects.create(dataset=dataset, trigger="button", state="running", progress=0.4)
    return [
        *(reverse(name) for name, _words, _least in PAGES),
        reverse("password"),
        reverse("model", args=[base_model_ensure().pk]),
        reverse("image", args=[images[0].pk]),
        reverse("image", args=[flagged.image_id]),
        reverse("import", args=[job.pk]),
        reverse("run", args=[run.pk]),
        "/nothing/",
    ]


def test_every_page_speaks_chinese(client: Client, cast: Cast, addresses: list[str]) -> None:
    known = english_words()
    client.force_login(cast.ada)
    left: dict[str, list[str]] = {}
    for address in addresses:
        answer = client.get(address, headers={"Accept-Language": "zh-hans"})
        assert answer.status_code in {200, 404}, f"{address}: {answer.status_code}"
        page = answer.content.decode()
        assert '<html lang="zh-hans"' in page, address
        reader = Reader()
        reader.feed(page)
        words = [word for script in reader.scripts for word in strings_in(json.loads(script))]
        words = [word for word in words if not CODE.fullmatch(word)]
        english = [said for said in reader.said if SENTENCE.search(NAMES.sub("", said))]
        english += [said for said in (*reader.said, *words) if said in known]
        if english:
            left[address] = sorted(set(english))
    assert not left, json.dumps(left, ensure_ascii=False, indent=1)


def test_the_door_speaks_chinese_too(client: Client, db: None) -> None:
    for address in ("/login/", "/login/x/y/"):
        reader = Reader()
        reader.feed(client.get(address, headers={"Accept-Language": "zh-hans"}).content.decode())
        assert not [said for said in reader.said if SENTENCE.search(said) or said in english_words()]
