import type { Api } from "./client.ts";
import { query } from "./client.ts";
import type {
  GroupBody,
  GroupsOut,
  InviteBody,
  InvitesOut,
  IssuedLinkOut,
  UsageByUserOut,
  UserBody,
  UserPatch,
  UsersOut,
} from "./schema.ts";

/** What administrators see and do. Every call throws `Problem` and `Unreachable`. */
export const users = (api: Api) => api.json<UsersOut>("GET", "api/admin/users");
export const invites = (api: Api) => api.json<InvitesOut>("GET", "api/admin/invites");
export const groups = (api: Api) => api.json<GroupsOut>("GET", "api/admin/groups");

/** What each person used from one UTC day to another, both included. */
export const usageByUser = (api: Api, from: string, to: string) =>
  api.json<UsageByUserOut>("GET", `api/admin/usage?${query({ from, to })}`);

/** Makes an account; its one-time link. */
export const addUser = (api: Api, body: UserBody) => issued(api, "api/admin/users", body);
/** A one-time link for a new password. */
export const makeLink = (api: Api, name: string) => issued(api, `${userUrl(name)}/link`);
export const makeInvite = (api: Api, body: InviteBody) => issued(api, "api/admin/invites", body);

export const changeUser = (api: Api, name: string, change: UserPatch) => api.send("PATCH", userUrl(name), change);
export const deleteUser = (api: Api, name: string) => api.send("DELETE", userUrl(name));
export const revokeInvite = (api: Api, id: string) => api.send("DELETE", `api/admin/invites/${id}`);
export const putGroup = (api: Api, name: string, body: GroupBody) => api.send("PUT", groupUrl(name), body);
export const removeGroup = (api: Api, name: string) => api.send("DELETE", groupUrl(name));

async function issued(api: Api, url: string, body?: object): Promise<string> {
  return (await api.json<IssuedLinkOut>("POST", url, body)).link;
}

function userUrl(name: string): string {
  return `api/admin/users/${encodeURIComponent(name)}`;
}

function groupUrl(name: string): string {
  return `api/admin/groups/${encodeURIComponent(name)}`;
}
