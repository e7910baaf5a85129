"""`python -m lianhua.api.contract` writes the bodies of the API as an OpenAPI document without its calls.

The types of the page are made of it (`make contract`).
"""

import json
import sys

from lianhua.api.app import openapi_document

if __name__ == "__main__":
    document = openapi_document()
    bodies = {name: document[name] for name in ("openapi", "info", "components")} | {"paths": {}}
    json.dump(bodies, sys.stdout, indent=2)
