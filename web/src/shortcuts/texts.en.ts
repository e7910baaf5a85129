import type { zh } from "./texts.zh.ts";

export const en: Readonly<Record<keyof typeof zh, string>> = {
  "shortcut.send": "Send the message",
  "shortcut.line": "New line",
  "shortcut.search": "Search conversations",
  "shortcut.new": "New conversation",
  "shortcut.input": "Back to the input",
  "shortcut.stop": "Stop the reply (in the input)",
  "shortcut.edit": "Edit your last message (in the empty input)",
  "shortcut.copy": "Copy the newest reply",
  "shortcut.help": "Show this list",
  "shortcut.or": "or",
};
