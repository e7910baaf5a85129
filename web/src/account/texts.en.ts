import type { zh } from "./texts.zh.ts";

export const en: Readonly<Record<keyof typeof zh, string>> = {
  "account.role.admin": "Administrator",
  "account.role.user": "User",
  "account.logout": "Log out",
  "account.sessions": "Signed in on",
  "account.here": "here",
  "account.seen": "last used {when}",
  "account.end": "Sign out there",
  "account.tokens": "API tokens",
  "account.unused": "never used",
  "account.revoke": "Revoke",
  "account.once": "The new token is shown this once: copy it now",
  "account.token.name": "Name",
  "account.token.scope": "What it may do",
  "account.scope.chat": "Chat (read and write)",
  "account.scope.read": "Read only",
  "account.token.make": "New token",
  "account.failed": "That did not work; try again.",
};
