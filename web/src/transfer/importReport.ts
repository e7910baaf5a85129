import { zh } from "./texts.zh.ts";
import { Problem, Unreachable } from "../api/problem.ts";

type ImportKey = keyof typeof zh;

function isImportKey(text: string): text is ImportKey {
  return Object.hasOwn(zh, text);
}

const FORMATS: Readonly<Record<string, string>> = {
  lianhua: "Lianhua",
  chatgpt: "ChatGPT",
  open_webui: "Open WebUI",
  librechat: "LibreChat",
  claude: "Claude",
  deepseek: "DeepSeek",
  gemini: "Gemini",
  nextchat: "NextChat",
  cherry_studio: "Cherry Studio",
  lobechat: "LobeChat",
  chat_ui: "chat-ui",
  messages: "JSON",
};

export function formatName(format: string): string {
  return FORMATS[format] ?? format;
}

/** The text for a kind of thing or a reason in a report; null for one of a later server. */
export function wordFor(kind: "what" | "why", code: string): ImportKey | null {
  const key = `${kind}.${code}`;
  return isImportKey(key) ? key : null;
}

/** What the details of a file that is not understood say, which the server tells in English only. */
const FAULTS: readonly (readonly [RegExp, ImportKey])[] = [
  [/none of the formats/, "refusal.unknown_format"],
  [/not JSON/, "refusal.not_json"],
  [/archive/, "refusal.archive"],
];

interface Refusal {
  readonly key: ImportKey;
  /** The server's code; null where it did not answer. */
  readonly code: string | null;
  /** What the server says is wrong with the file, in English, or what to set; empty where it says nothing of its own. */
  readonly detail: string;
}

/** Why an import was refused. Throws what is no refusal. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Unreachable) return { key: "refusal.unreachable", code: null, detail: "" };
  if (!(error instanceof Problem)) throw error;
  const { detail } = error;
  // A proxy in between has no code of ours.
  const code = error.status === 413 ? "payload_too_large" : error.code;
  if (code === "invalid_request") {
    return { key: FAULTS.find(([fault]) => fault.test(detail))?.[1] ?? "refusal.not_understood", code, detail };
  }
  const key = `refusal.${code}`;
  // What to set behind a proxy that changes Host, which the server says in the reader's language.
  const isSaid = code.startsWith("import_") || code === "cross_site";
  return { key: isImportKey(key) ? key : "refusal.other", code, detail: isSaid ? detail : "" };
}
