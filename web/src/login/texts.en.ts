import type { zh } from "./texts.zh.ts";

export const en: Readonly<Record<keyof typeof zh, string>> = {
  "login.title": "Log in",
  "login.name": "Name",
  "login.password": "Password",
  "login.new_password": "New password (12 characters at least)",
  "login.submit": "Log in",
  "login.with": "Log in with {name}",
  "login.link.title": "{name}, set your password",
  "login.invite.title": "Welcome: choose a name and a password",
  "login.set": "Set it and log in",
  "login.unreachable": "The server cannot be reached; try again.",
};
