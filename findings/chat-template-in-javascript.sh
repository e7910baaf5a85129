#!/usr/bin/env bash
# @huggingface/jinja 0.5.11 (npm; renders chat templates in transformers.js) against jinja2 3.1.6 (PyPI; renders them in
# transformers and vLLM), on lines of the kind that Qwen's, DeepSeek's and Llama's templates are made of.
#
# Guess: what the JavaScript version does not know it refuses; what it renders is the prompt that the model was trained on.
# Found: three things are rendered otherwise without an error. lstrip('\n') and rstrip('\n') ignore their argument and
# take away every kind of white space, so a reply that begins with indented code loses the indent of its first line only.
# strip('x') takes away white space and leaves the x. The month of strftime_now("%d %b %Y") is in the language of
# the reader's system: "01 12月 2026" on a Chinese one, where Llama 3 was trained on "01 Dec 2026". And two equal lists or
# messages are never ==, so "is the last message the same as the one before" is always no.
# Matters: a token count or a cached prefix that a page computes is not the server's, and differs from reader to reader.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{"private": true, "type": "module"}\n' >package.json
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts @huggingface/jinja@0.5.11
python3 -m venv venv
timeout 300 venv/bin/pip install --quiet --disable-pip-version-check jinja2==3.1.6

cat >templates.json <<'JSON'
[
  "{{ reply.split('</think>')[-1].lstrip('\\n') }}",
  "{{ reply.rstrip('\\n') }}|",
  "{{ '###Title##'.strip('#') }}",
  "{{ messages[0] == messages[1] }}",
  "{{ [] == messages[2].tool_calls }}"
]
JSON
cat >values.json <<'JSON'
{
  "reply": "<think>\n\n</think>\n\n    return x\n    ",
  "messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": "hi"}, {"role": "user", "tool_calls": []}]
}
JSON
cat >look.mjs <<'JS'
import fs from "node:fs";
import { Template } from "@huggingface/jinja";
const values = JSON.parse(fs.readFileSync("values.json"));
for (const text of JSON.parse(fs.readFileSync("templates.json"))) {
  console.log(JSON.stringify(new Template(text).render(values)).toLowerCase());
}
// The language of the month's name, which is the same in every month of the year.
const english = new Intl.DateTimeFormat("en", { month: "short" }).format();
const [, month] = new Template("{{ strftime_now('%d %b %Y') }}").render({}).split(" ");
console.log(month === english ? "an English month" : /^\d+月$/.test(month) ? "a Chinese month" : month);
JS
cat >look.py <<'PYTHON'
import datetime, json
import jinja2.sandbox
environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
values = json.load(open("values.json"))
for text in json.load(open("templates.json")):
    print(json.dumps(environment.from_string(text).render(values)).lower())
english = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[datetime.date.today().month - 1]
month = environment.from_string("{{ strftime_now('%d %b %Y') }}").render().split(" ")[1]
print("an English month" if month == english else month)
PYTHON
python=$(LC_ALL=zh_CN.UTF-8 timeout 60 venv/bin/python look.py)
javascript=$(LC_ALL=zh_CN.UTF-8 timeout 60 node look.mjs)
echo "jinja2:"
echo "$python"
echo "@huggingface/jinja on Node $(node --version):"
echo "$javascript"
[ "$python" = '"    return x\n    "
"<think>\n\n</think>\n\n    return x\n    |"
"title"
"true"
"true"
an English month' ]
[ "$javascript" = '"return x\n    "
"<think>\n\n</think>\n\n    return x|"
"###title##"
"false"
"false"
a Chinese month' ]
echo "as found: the same template and messages, another prompt, and no error"
