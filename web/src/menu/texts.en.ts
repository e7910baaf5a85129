import type { zh } from "./texts.zh.ts";

export const en: Readonly<Record<keyof typeof zh, string>> = {
  "more.back": "Back",
  "more.close": "Close",
  "more.personas": "My personas",
  "more.personas.about": "With prompts of your own",
  "more.usage": "Usage",
  "more.usage.about": "Tokens and cost by day",
  "more.transfer": "Import and export",
  "more.transfer.about": "Take everything with you, or bring it here",
  "more.shortcuts": "Keyboard shortcuts",
  "more.shortcuts.about": "What works without a mouse",
  "more.account": "Account",
  "more.account.about": "Password, where you are signed in, API tokens",
  "more.admin": "Administration",
  "more.admin.about": "People, invites, groups, usage",
};
