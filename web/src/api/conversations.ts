import { type Api, conversationUrl, query, turnUrl, whole } from "./client.ts";
import type { ExportedFile, ExportFormat, FoundPage, Message, TurnAccount } from "./contract.ts";
import { isWhole } from "./endMark.ts";
import { Unreachable } from "./problem.ts";

/** A page of the conversations in which `q` occurs, newest activity first. */
export function search(api: Api, q: string, before: string | null, signal: AbortSignal): Promise<FoundPage> {
  return api.json("GET", `api/conversations?${query({ q, before, limit: 20 })}`, undefined, {}, signal);
}

export function deleteConversation(api: Api, id: string): Promise<Response> {
  return api.send("DELETE", conversationUrl(id));
}

export function clearHistory(api: Api, id: string): Promise<Response> {
  return api.send("DELETE", `api/chat/history/${encodeURIComponent(id)}`);
}

export function pinMessage(api: Api, id: string, messageId: string, pinned: boolean): Promise<Message> {
  return api.json("PATCH", `${conversationUrl(id)}/messages/${encodeURIComponent(messageId)}`, { pinned });
}

export function turnAccount(api: Api, id: string, turnId: string): Promise<TurnAccount> {
  return api.json("GET", turnUrl(id, turnId));
}

/** A conversation as a file, all of it or nothing. */
export function exported(api: Api, id: string, format: ExportFormat): Promise<ExportedFile> {
  return file(api, `${conversationUrl(id)}/export?${query({ format })}`, format === "json" ? "conversation.json" : "conversation.md");
}

/** Everything that the reader has as a file, all of it or nothing. */
export function exportedAll(api: Api): Promise<ExportedFile> {
  return file(api, "api/export", "lianhua.json");
}

async function file(api: Api, url: string, plainName: string): Promise<ExportedFile> {
  const response = await api.send("GET", url);
  const name = nameOf(response.headers.get("Content-Disposition")) ?? plainName;
  const content = await whole(response.blob());
  if (!(await isWhole(content))) throw new Unreachable(null);
  return { name, content };
}

/** The name that an answer gives its file (RFC 6266, RFC 8187); null where it gives none. */
function nameOf(disposition: string | null): string | null {
  const encoded = /filename\*=utf-8''([^;\s]+)/i.exec(disposition ?? "")?.[1];
  try {
    return encoded === undefined ? null : decodeURIComponent(encoded);
  } catch {
    return null; // not what the rule says
  }
}
