"""`lianhua` with a model's server that only its first process sees: what it starts looks in the usual places."""

import os

from lianhua.models import discover
from lianhua.server.cli import main

if __name__ == "__main__":
    discover.find_local_server.__defaults__ = (2.0, (("Ollama", int(os.environ["SEEN_BY_ONE"])),))
    main()
