"""Tables of the people's room."""

from labeling.models.annotation import Annotation
from labeling.models.assignment import Assignment, Item, Skip
from labeling.models.comment import Comment, Mention
from labeling.models.comparison import Comparison
from labeling.models.consensus import Consensus, Panel, RaterProfile
from labeling.models.export import ExportJob
from labeling.models.probe import GoldQuestion, Probe, ProbeAnswer
from labeling.models.project import Appeal, CategoryQuota, Membership, Project, SellerSide
from labeling.models.review import Flag, Review

__all__ = [
    "Annotation",
    "Appeal",
    "Assignment",
    "CategoryQuota",
    "Comment",
    "Comparison",
    "Consensus",
    "ExportJob",
    "Flag",
    "GoldQuestion",
    "Item",
    "Membership",
    "Mention",
    "Panel",
    "Probe",
    "ProbeAnswer",
    "Project",
    "RaterProfile",
    "Review",
    "SellerSide",
    "Skip",
]
