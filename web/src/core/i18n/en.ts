import type { Catalogue } from "./index.ts";

export const en: Catalogue = {
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
  "model.local.dismiss": "Understood",
  "model.scripted": "The answers come from a script, for tests only.",

  "messages.label": "Messages",
  "messages.earlier": "Earlier messages",
  "messages.newest": "To the newest message",
  "messages.newest.fresh": "To the newest message, there is new text",
  "message.you": "You",
  "message.copy": "Copy",
  "message.reasoning": "Reasoning",
  "message.edit": "Edit",
  "message.pin": "Pin",
  "message.pin.title": "Pin: kept for good, and sent to the model every time",
  "message.unpin.title": "Pinned: kept for good, and sent to the model every time",
  "suggestions.label": "Try asking",

  "input.label": "Message",
  "input.placeholder": "Say something…",
  "input.send": "Send",
  "input.stop": "Stop the reply",
  "input.hint": "Enter sends, Shift+Enter starts a new line",

  "reply.making": "Answering",
  "reply.started": "The reply begins.",
  "reply.done": "The reply is complete.",
  "reply.reconnecting": "The connection was lost and is being restored. The reply goes on, nothing is lost.",
  "reply.retry": "Try again",
  "reply.again": "Answer again",

  "trouble.unreachable": "The server cannot be reached. What you wrote is still here; send it again later.",
  "trouble.dismiss": "Close this message",

  "sent.title": "What was sent",
};
