"""What holds for all tests: how many examples are tried, and that they are the same in each run."""

import os

from hypothesis import settings

# A machine under load is slow now and then: how long an example takes proves nothing.
settings.register_profile("default", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
