import type { Api } from "./client.ts";
import { readProblem, Unreachable } from "./problem.ts";
import type { LinkOut, MeOut, NewTokenOut, ProvidersOut, SessionsOut, TokenBody, TokensOut } from "./schema.ts";

/** Logging in and out, and what a login holds. Every call throws `Problem` and `Unreachable`. */
export function login(api: Api, name: string, password: string): Promise<unknown> {
  return api.send("POST", "api/auth/login", { name, password });
}

/** Whose a one-time link is; null where it is an invite, whose name is chosen with it. */
export async function readLink(api: Api, link: string): Promise<string | null> {
  return (await api.json<LinkOut>("POST", "api/auth/link", { link })).name;
}

export function acceptLink(api: Api, link: string, name: string, password: string): Promise<unknown> {
  return api.send("POST", "api/auth/link", { link, name, password });
}

export const providers = (api: Api) => api.json<ProvidersOut>("GET", "api/auth/oidc/providers");
export const me = (api: Api) => api.json<MeOut>("GET", "api/auth/me");
export const sessions = (api: Api) => api.json<SessionsOut>("GET", "api/auth/sessions");
export const tokens = (api: Api) => api.json<TokensOut>("GET", "api/auth/tokens");

export function logout(api: Api): Promise<unknown> {
  return api.send("POST", "api/auth/logout");
}

export function endSession(api: Api, id: string): Promise<unknown> {
  return api.send("DELETE", `api/auth/sessions/${id}`);
}

/** Not by way of `Api`: a wrong password is refused as a missing login is (401), and is no reason to ask for one. */
export async function changePassword(language: string, old: string, chosen: string): Promise<void> {
  const request: RequestInit = {
    method: "POST",
    headers: { "Accept-Language": language, "Content-Type": "application/json" },
    body: JSON.stringify({ old, new: chosen }),
  };
  const response = await fetch("api/auth/password", request).catch((error: unknown) => {
    throw new Unreachable(error);
  });
  if (!response.ok) throw await readProblem(response);
}

export function makeToken(api: Api, body: TokenBody): Promise<NewTokenOut> {
  return api.json("POST", "api/auth/tokens", body);
}

export function revokeToken(api: Api, id: string): Promise<unknown> {
  return api.send("DELETE", `api/auth/tokens/${id}`);
}
