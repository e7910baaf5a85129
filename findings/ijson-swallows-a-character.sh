#!/usr/bin/env bash
# ijson 3.6.0, C back end (yajl2_c, the one that wheels use by default), against its own Python back end.
#
# Guess: JSON text cut by a program between the two halves of a surrogate pair, as JavaScript's slice() and Python's
# json.dumps() both write it ("\ud83d\u4f60"), is read alike by both back ends, or refused by both.
# Found: the Python back end gives the lone half as it stands. The C back end joins it with the NEXT escape whatever
# that is: a character nobody wrote appears and one that was written is gone, without an error. Before a plain letter
# the lone half becomes "?". A lone second half raises UnicodeDecodeError and ends the file.
# Matters: ChatGPT's conversations.json escapes every Chinese character, and titles cut inside an emoji are common.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 300 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: ijson==3.6.0
timeout 60 "$folder/venv/bin/python" - <<'PYTHON'
import io, sys
import ijson

def read(backend, text):
    try:
        return ascii(next(ijson.get_backend(backend).items(io.BytesIO(text), "")))
    except UnicodeDecodeError:
        return "UnicodeDecodeError"

expected = {
    rb'"\ud83d\u4f60\u597d"': {"python": r"'\ud83d\u4f60\u597d'", "yajl2_c": r"'\U0001f760\u597d'"},
    rb'"\ud83d ok"': {"python": r"'\ud83d ok'", "yajl2_c": "'? ok'"},
    rb'"ok \ude00"': {"python": r"'ok \ude00'", "yajl2_c": "UnicodeDecodeError"},
}
print("ijson 3.6.0 on Python", sys.version.split()[0])
same = True
for text, answers in expected.items():
    for backend, answer in answers.items():
        found = read(backend, text)
        print(f"{text.decode():24} {backend:8} {found}")
        same &= found == answer
sys.exit(0 if same else 1)
PYTHON
echo "as found: the C back end swallows a character behind a lone surrogate"
