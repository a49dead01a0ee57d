"""Made-up input is the same in every run, so that what lands is what was seen; `make fuzz` looks further."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("fuzz", deadline=None, max_examples=10_000)
settings.load_profile("steady")

# moto builds its 1,300 example AMIs again for each test, and that takes three times as long as the test.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
