#!/usr/bin/env bash
# json_repair 0.64.6 (PyPI), which reads the half JSON of models, on JSON in which nothing needs repair but, at most, its end.
#
# Guess: strings that are well quoted and escaped come out as they are. skip_json_loads=True, which its documentation
# gives for speed, changes nothing for valid JSON, and a document that is cut loses only what was cut.
# Found: a string that begins with a Markdown fence is taken for a document within a fence: its first eight characters
# ("```json" and the backslash of the line feed) are gone and an "n" is left. So with skip_json_loads on valid JSON; so
# without it whenever the document is cut anywhere behind the string, which is at every step of a stream but the last.
# Matters: models write code into the arguments of tools, in fences and with line feeds. A file that a tool is asked to
# write begins with "n{" while it arrives; what the same string is in the end depends on whether the last brace came.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 300 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check json_repair==0.64.6
cat >"$folder/look.py" <<'PYTHON'
import json
import json_repair
for text in ("```json\n{}\n```", "```python\nx\n```", "Here:\n```json\n{}\n```"):
    whole = json.dumps({"text": text, "next": 1})
    print("written      ", ascii(text))
    print("  whole      ", ascii(json_repair.loads(whole)["text"]))
    print("  whole, skip", ascii(json_repair.loads(whole, skip_json_loads=True)["text"]))
    print("  cut by one ", ascii(json_repair.loads(whole[:-1])["text"]))
    print("  cut, stable", ascii(json_repair.loads(whole[:-1], stream_stable=True)["text"]))
PYTHON
found=$(timeout 60 "$folder/venv/bin/python" "$folder/look.py")
echo "$found"
