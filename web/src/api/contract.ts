/** The bodies of the API by the names that the page has for them; what they are is generated (`make contract`). */
import type { ContinueBody, EditBody, ListedConversationOut, MatchOut, MessageOut, OwnPersonaOut, RetryBody, SendBody } from "./schema.ts";

export type {
  ContextEntryOut as ContextEntry,
  ConversationOut as Conversation,
  ConversationPageOut as ConversationPage,
  ConversationPatch as ConversationChange,
  DownloadOut as Download,
  ImportReportOut as ImportReport,
  MatchOut as Match,
  MessageOut as Message,
  MessagePageOut as MessagePage,
  ModelOut as Model,
  ModelsOut as Models,
  OwnPersonaOut as OwnPersona,
  PreferencesOut as Preferences,
  RoleOut as Role,
  RolesOut as Roles,
  SkippedOut as Skipped,
  SpentOut as Spent,
  StartOut as Start,
  TurnOut as TurnAccount,
  TurnStartedOut as StartedTurn,
  UsageOut as Usage,
  UsageReportOut as UsageReport,
} from "./schema.ts";

export type EndStatus = MessageOut["status"];

/** What a turn is to be: the next message, another reply, another message in the place of one, the rest of a cut reply. */
export type TurnBody = SendBody | RetryBody | EditBody | ContinueBody;

/** A row of a search: with what was found. */
export type FoundConversation = ListedConversationOut & { readonly matches: readonly MatchOut[] };

export interface FoundPage {
  readonly conversations: readonly FoundConversation[];
  readonly next: string | null;
}

/** What the reader says of a persona of their own; null leaves it to the server or to the model. */
export type PersonaFields = Omit<OwnPersonaOut, "id" | "created_at" | "updated_at">;

export type ExportFormat = "markdown" | "json";

/** A file that the server made. */
export interface ExportedFile {
  readonly name: string;
  readonly content: Blob;
}
