import type { zh } from "./zh.ts";

export const en: Readonly<Record<keyof typeof zh, string>> = {
  "app.name": "Lianhua",
  "app.about": "A chat that goes on: it remembers this conversation, and tells you each time what the model was shown.",

  "side.label": "Conversations",
  "side.open": "Open the list of conversations",
  "side.close": "Close the list of conversations",
  "side.empty": "No conversation yet. It appears here once you have said something.",
  "side.more": "Earlier conversations",
  "side.failed": "The list of conversations could not be loaded.",
  "side.options": "Options for “{title}”",
  "side.running": "answering",
  "search.label": "Search conversations",
  "more": "More",
  "language.switch": "中文",
  "language.switch.label": "切换到中文",

  "expiry.in": "Expires {when}",
  "expiry.never": "Does not expire",
  "expiry.pinned": "Pinned, does not expire",

  "conversation.new": "New conversation",
  "conversation.untitled": "New conversation",
  "conversation.clear": "Clear conversation",
  "conversation.loading": "Loading the conversation…",
  "conversation.failed": "This conversation could not be loaded.",
  "sentences": "{first} {second}",

  "role.label": "Persona",
  "role.own": "My personas",
  "model.label": "Model",
  "model.demo": "No language model is set up yet: a demonstration answers. Set OPENAI_API_KEY, start Ollama or run lianhua pull, then restart.",
  "model.local": "A small model on this machine, {name}, answers: it makes up facts, so check what matters.",
  "model.scripted": "The answers come from a script, for tests only.",
  "model.local.dismiss": "Understood",

  "messages.label": "Messages",
  "message.you": "You",
  "suggestions.label": "Try asking",

  "input.label": "Message",
  "input.placeholder": "Say something…",
  "input.send": "Send",
  "input.stop": "Stop the reply",
  "input.hint": "Enter sends, Shift+Enter starts a new line",

  "reply.making": "Answering",
  "reply.started": "The reply begins.",
  "reply.retry": "Try again",

  "trouble.unreachable": "The server cannot be reached. What you wrote is still here; send it again later.",
  "trouble.part": "A part of the page could not be fetched. Load the page again.",
  "trouble.dismiss": "Close this message",

};
