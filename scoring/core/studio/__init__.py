"""A small photo studio in code: solids, light, rooms and wares, from which the sample catalogue is made.

Everything is drawn from a seed, so the sample needs no binary files and is the same everywhere.
"""
