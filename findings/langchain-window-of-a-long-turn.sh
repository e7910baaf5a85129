#!/usr/bin/env bash
# langchain-core 1.8.3 (PyPI) and @langchain/core 1.4.0 (npm), one vendor: trimming a conversation to a window, with the
# settings that its documentation gives for chats (strategy "last", start on "human", with the system message).
#
# Guess: both keep the system message and the end of the conversation, from a question on, and if even the newest question
# with what belongs to it is too large, they keep what fits, or say so.
# Found: a question whose answer took more tool calls than the window holds leaves no place to start on. Python gives the
# system message alone, the question gone with everything after it and no error: a model that is asked so greets as if
# nothing had been said. JavaScript gives a list of one element, which is undefined: the system message is gone too.
# One message less in the turn, and both are as guessed: it shows only when an assistant works long.
# Matters: the newest question must be kept whatever it costs, or the request refused; a window that is merely small
# enough is no proof that there is a conversation in it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf '{"private": true, "type": "module"}\n' >package.json
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts @langchain/core@1.4.0
python3 -m venv venv
timeout 300 venv/bin/pip install --quiet --disable-pip-version-check langchain-core==1.8.3

# A conversation of s(ystem), h(uman), a(i), c(all) and t(ool) messages, and a window of seven messages.
cat >window.py <<'PYTHON'
import sys
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage, trim_messages

def message(kind, place):
    match kind:
        case "s": return SystemMessage("Answer in French.")
        case "h": return HumanMessage("What is the weather in Paris?")
        case "a": return AIMessage("It is fine.")
        case "c": return AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": str(place)}])
        case "t": return ToolMessage("nothing", tool_call_id=str(place - 1))

for kinds in sys.argv[1:]:
    messages = [message(kind, place) for place, kind in enumerate(kinds)]
    kept = trim_messages(messages, max_tokens=7, token_counter=len, strategy="last", start_on="human", include_system=True)
    print(f"{kinds}: {' '.join(message.type for message in kept)}")
PYTHON
cat >window.mjs <<'JS'
import { AIMessage, HumanMessage, SystemMessage, ToolMessage, trimMessages } from "@langchain/core/messages";
const message = (kind, place) => ({
  s: () => new SystemMessage("Answer in French."),
  h: () => new HumanMessage("What is the weather in Paris?"),
  a: () => new AIMessage("It is fine."),
  c: () => new AIMessage({ content: "", tool_calls: [{ name: "look", args: {}, id: String(place) }] }),
  t: () => new ToolMessage({ content: "nothing", tool_call_id: String(place - 1) }),
})[kind]();
for (const kinds of process.argv.slice(2)) {
  const options = { maxTokens: 7, tokenCounter: (list) => list.length, strategy: "last", startOn: "human", includeSystem: true };
  const kept = await trimMessages([...kinds].map(message), options).catch((error) => error);
  console.log(`${kinds}: ${kept instanceof Error ? `${kept.name}: ${kept.message}` : kept.map((one) => one?.getType() ?? "undefined").join(" ")}`);
}
JS
python=$(timeout 60 venv/bin/python window.py shahctctct shahctct shahctctc)
javascript=$(timeout 60 node window.mjs shahctctct shahctct shahctctc)
echo "langchain-core:"
echo "$python"
echo "@langchain/core:"
echo "$javascript"
[ "$python" = "shahctctct: system
shahctct: system human ai tool ai tool
shahctctc: system human ai tool ai tool ai" ]
[ "$javascript" = "shahctctct: undefined
shahctct: system human ai tool ai tool
shahctctc: system human ai tool ai tool ai" ]
echo "as found: past the window of one turn nothing of the conversation is left"
