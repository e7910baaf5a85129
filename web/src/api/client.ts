import type {
  Conversation,
  ConversationChange,
  ConversationPage,
  MessagePage,
  Models,
  Roles,
  Start,
  StartedTurn,
  TurnAccount,
  TurnBody,
} from "./contract.ts";
import { readProblem, Unreachable } from "./problem.ts";

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** The calls that the page makes. Every one throws `Problem` where the server refuses and `Unreachable` where it is not there. */
export class Api {
  /** @param language the tag for `Accept-Language`, asked before each request. */
  constructor(
    private readonly language: () => string,
    private readonly fetch: typeof globalThis.fetch = globalThis.fetch.bind(globalThis),
  ) {}

  start = () => this.json<Start>("GET", "api/start");
  roles = () => this.json<Roles>("GET", "api/roles");
  models = () => this.json<Models>("GET", "api/models");

  conversations = (before: string | null = null, limit = 50) =>
    this.json<ConversationPage>("GET", `api/conversations?${query({ before, limit })}`);
  conversation = (id: string) => this.json<Conversation>("GET", conversationUrl(id));
  createConversation = (fields: ConversationChange) => this.json<Conversation>("POST", "api/conversations", fields);
  changeConversation = (id: string, change: ConversationChange) =>
    this.json<Conversation>("PATCH", conversationUrl(id), change);
  messages = (id: string, before: string | null = null, limit = 100) =>
    this.json<MessagePage>("GET", `${conversationUrl(id)}/messages?${query({ before, limit })}`);

  /** Makes the branch of a message the current one. */
  switchBranch = (id: string, messageId: string) =>
    this.json<Conversation>("PATCH", `${conversationUrl(id)}/branch`, { message_id: messageId });

  /** Starts a turn. The same `key` may be sent again after a broken connection: it never starts a second turn. */
  startTurn = (id: string, key: string, body: TurnBody) =>
    this.json<StartedTurn>("POST", `${conversationUrl(id)}/turns`, body, { "Idempotency-Key": key });
  stopTurn = (id: string, turnId: string) => this.json<TurnAccount>("POST", `${turnUrl(id, turnId)}/stop`);

  /** Opens the event stream of a turn after `cursor`; null where it is over and nothing is missing (204). */
  async openEvents(url: string, cursor: string, signal: AbortSignal): Promise<Response | null> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (cursor !== "") headers["Last-Event-ID"] = cursor;
    const response = await this.send("GET", url, undefined, headers, signal);
    return response.status === 204 ? null : response;
  }

  /** What the server answers a request. */
  async json<T>(
    method: Method,
    url: string,
    body?: object,
    headers?: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<T> {
    const response = await this.send(method, url, body, headers, signal);
    return whole(response.json() as Promise<T>);
  }

  /** The answer to a request; throws where the server refuses. */
  async send(
    method: Method,
    url: string,
    body?: object,
    headers: Record<string, string> = {},
    signal: AbortSignal | null = null,
  ): Promise<Response> {
    // Firefox lets a second tab wait for its cache until the first one's stream of the same address is over.
    const request: RequestInit = { method, signal, cache: "no-store", headers: { "Accept-Language": this.language(), ...headers } };
    if (body !== undefined) {
      request.body = JSON.stringify(body);
      request.headers = { ...request.headers, "Content-Type": "application/json" };
    }
    const response = await this.fetch(url, request).catch((error: unknown) => {
      throw new Unreachable(error);
    });
    if (!response.ok) throw await readProblem(response);
    return response;
  }
}

/** A body as far as it has come is none. */
export function whole<T>(body: Promise<T>): Promise<T> {
  return body.catch((error: unknown) => {
    throw new Unreachable(error);
  });
}

/** Where the events of a turn are. */
export function eventsUrl(id: string, turnId: string): string {
  return `${turnUrl(id, turnId)}/events`;
}

export function conversationUrl(id: string): string {
  return `api/conversations/${encodeURIComponent(id)}`;
}

export function turnUrl(id: string, turnId: string): string {
  return `${conversationUrl(id)}/turns/${encodeURIComponent(turnId)}`;
}

export function query(fields: Record<string, string | number | null>): string {
  const given = Object.entries(fields).filter(([, value]) => value !== null);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}
