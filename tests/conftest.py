"""Settings that every test shares."""

from hypothesis import settings

# Two shared cores make single examples slow without anything being wrong, and a red run must be
# red again for the next person: no deadline, the same examples each time.
settings.register_profile("canopy", deadline=None, derandomize=True, database=None)
settings.load_profile("canopy")
