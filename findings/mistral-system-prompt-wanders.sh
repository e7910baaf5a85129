#!/usr/bin/env bash
# mistral-common 1.13.1 (PyPI), the vendor's own tokenizer, which vLLM uses for Mistral's models, with the five vocabularies
# that lie in its wheel: v1 (7B v0.1), v2 (7B v0.2), v3 (7B v0.3), v3 tekken (Nemo), v7 (Large 2411).
#
# Guess: a conversation that grows by a turn gives a prompt that begins with the prompt of the turn before: the system
# message first, then the tools, then the turns in order. That is what a prefix cache lives on.
# Found: in v2 and v3 the system message stands in front of the NEWEST user message, and moves there again each turn, out
# of the turn where it was. The tools move alike, in v7 too, where the system message alone keeps its place; v1 leaves the
# tools out without a word. So the last turn's question and answer are read anew each time, and the model never sees that
# its older answers were given under the same instructions.
# Matters: "system message plus history" is no prefix here; an estimate of cached tokens by it is too high, and what a
# persona says ("begin with a greeting") is heard as part of each new question.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 400 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "mistral-common[sentencepiece]==1.13.1" sentencepiece==0.2.3
cat >"$folder/prompts.py" <<'PYTHON'
import os, pathlib, re
import mistral_common
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.protocol.instruct.tool_calls import Function, Tool
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

MODELS = ["tokenizer.model.v1", "mistral_instruct_tokenizer_240216.model.v2", "mistral_instruct_tokenizer_240323.model.v3",
          "tekken_240911.json", "mistral_instruct_tokenizer_241114.model.v7"]
TOOLS = [Tool(function=Function(name="clock", description="", parameters={"type": "object", "properties": {}}))]

def prompt(tokenizer, turns, tools):
    messages = [SystemMessage(content="SYSTEM")]
    for turn in range(1, turns + 1):
        messages.append(UserMessage(content=f"Q{turn}"))
        if turn < turns:
            messages.append(AssistantMessage(content=f"A{turn}"))
    return tokenizer.encode_chat_completion(ChatCompletionRequest(messages=messages, tools=tools))

for model in MODELS:
    tokenizer = MistralTokenizer.from_file(str(pathlib.Path(mistral_common.__file__).parent / "data" / model))
    for tools in (None, TOOLS):
        before, after = prompt(tokenizer, 2, tools), prompt(tokenizer, 3, tools)
        begins = "begins with the last one" if after.tokens[: len(before.tokens)] == before.tokens else "does not"
        order = " ".join(re.findall(r"SYSTEM(?!_)|AVAILABLE_TOOLS(?=\].*\[/AVAIL)|[QA]\d", after.text)).replace("AVAILABLE_", "")
        print(f"{model.split('_')[0] if 'tekken' in model else model[-2:]}{' with a tool' if tools else ''}: {begins}: {order}")
PYTHON
found=$(timeout 120 "$folder/venv/bin/python" "$folder/prompts.py")
echo "$found"
[ "$found" = "v1: begins with the last one: SYSTEM Q1 A1 Q2 A2 Q3
v1 with a tool: begins with the last one: SYSTEM Q1 A1 Q2 A2 Q3
v2: does not: Q1 A1 Q2 A2 SYSTEM Q3
v2 with a tool: does not: Q1 A1 Q2 A2 TOOLS SYSTEM Q3
v3: does not: Q1 A1 Q2 A2 SYSTEM Q3
v3 with a tool: does not: Q1 A1 Q2 A2 TOOLS SYSTEM Q3
tekken: does not: Q1 A1 Q2 A2 SYSTEM Q3
tekken with a tool: does not: Q1 A1 Q2 A2 TOOLS SYSTEM Q3
v7: begins with the last one: SYSTEM Q1 A1 Q2 A2 Q3
v7 with a tool: does not: SYSTEM Q1 A1 Q2 A2 TOOLS Q3" ]
echo "as found: the system message and the tools wander with the newest question"
