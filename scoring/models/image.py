"""Pictures by digest, and the products they show."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Product(models.Model):
    """One thing for sale. Splits and recommendations group by it."""

    seller = models.CharField(_("seller"), max_length=200, blank=True, default="")
    external_id = models.CharField(_("product id"), max_length=200)
    title = models.CharField(_("title"), max_length=500, blank=True, default="")
    category = models.CharField(_("category"), max_length=200, blank=True, default="", db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [
            models.UniqueConstraint(fields=["seller", "external_id"], name="a_seller_has_one_product_per_id")
        ]

    def __str__(self) -> str:
        return self.title or self.external_id


class Image(models.Model):
    """One picture, known by the SHA-256 of the bytes that came in; stored re-encoded, without metadata.

    ``jpeg_quality`` (1-100) is read from the source's quantisation tables, since the stored copy
    no longer tells; null where the source was no JPEG. ``is_made``: we spoilt a picture on purpose, to ask
    people about it; it stays hidden, is never scored and is in no catalogue.
    """

    digest = models.CharField(max_length=64, unique=True, editable=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="images")
    name = models.CharField(_("file name"), max_length=255, blank=True, default="")
    stored_format = models.CharField(max_length=8)
    source_format = models.CharField(max_length=8)
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    byte_count = models.PositiveIntegerField(_("bytes"))
    jpeg_quality = models.FloatField(null=True, blank=True)
    is_animated = models.BooleanField(default=False)
    is_hidden = models.BooleanField(_("hidden"), default=False)
    is_made = models.BooleanField(_("made here"), default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("image")
        verbose_name_plural = _("images")
        indexes = [models.Index(fields=["product"], name="images_of_product")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_made=False) | models.Q(is_hidden=True),
                name="a_picture_made_here_stays_hidden",
            )
        ]

    def __str__(self) -> str:
        return self.name or self.digest[:12]

    @property
    def stored_name(self) -> str:
        """Storage key of the re-encoded picture."""
        return f"pictures/{self.digest[:2]}/{self.digest}.{self.stored_format}"

    @property
    def thumbnail_name(self) -> str:
        """Storage key of the thumbnail."""
        return f"thumbnails/{self.digest[:2]}/{self.digest}.webp"
