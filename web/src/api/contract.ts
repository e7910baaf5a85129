export type EndStatus = "done" | "stopped" | "failed" | "interrupted";

export interface Usage {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly total_tokens?: number;
  /** Those of the prompt that the model's server had in its cache. */
  readonly cached_tokens?: number;
}

export interface Role {
  readonly name: string;
  readonly icon: string;
  readonly description: string;
  readonly prompt: string;
  readonly welcome: string;
  readonly suggestions: readonly string[];
  /** Whether the reader made it. */
  readonly own: boolean;
  /** The model that answers where the conversation has none of its own. */
  readonly model?: string | null;
}

export interface Roles {
  readonly roles: Readonly<Record<string, Role>>;
  readonly default_role: string;
}

export interface Model {
  readonly id: string;
  readonly name: string;
  readonly images: boolean;
  readonly context_tokens: number;
  readonly kind: "openai" | "local" | "demo" | "scripted";
  readonly note?: string | null;
}

export interface Download {
  readonly state: "waiting" | "running" | "done" | "stopped" | "skipped" | "failed";
  readonly received_bytes: number;
  readonly total_bytes: number | null;
  readonly reason?: string | null;
}

export interface Models {
  readonly models: readonly Model[];
  readonly default_model: string;
  readonly download: Download | null;
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly role: string;
  readonly model: string | null;
  readonly created_at: number;
  readonly updated_at: number;
  readonly expires_at: number | null;
  readonly pinned: boolean;
  readonly message_count: number;
  readonly running_turn_id: string | null;
  readonly usage: Spent;
}

export interface Message {
  readonly id: string;
  readonly parent_id: string | null;
  readonly role: "user" | "assistant";
  readonly content: string;
  readonly timestamp: number;
  readonly status: EndStatus;
  readonly code?: string | null;
  readonly finish_reason?: string | null;
  readonly reasoning?: string | null;
  readonly model?: string | null;
  readonly usage?: Usage | null;
  readonly persona?: string | null;
  readonly turn_id?: string | null;
  readonly pinned?: boolean | null;
  /** How many messages between this one and the one before it retention has dropped. */
  readonly dropped_before?: number | null;
  /** All children of its parent, itself among them, oldest first. */
  readonly siblings: readonly string[];
}

/** What a turn is to be: the next message, another reply, another message in the place of one, the rest of a cut reply. */
export type TurnBody =
  | { readonly message: string; readonly parent_id?: string }
  | { readonly retry: string }
  | { readonly edit: string; readonly message: string }
  | { readonly continue: string };

export interface StartedTurn {
  readonly turn_id: string;
  readonly user_message_id: string;
  readonly reply_message_id: string;
  readonly events_url: string;
}

/** `stopping`: its end is written as soon as the store has room for it, or is back. */
export interface StoppedTurn {
  readonly stopping: boolean;
}

export interface ContextRow {
  readonly id: string;
  readonly role: string;
  readonly tokens: number;
  readonly included: boolean;
  readonly reason: string;
}

/** The account of one turn: what the model was sent, and what was left out and why. */
export interface TurnAccount {
  readonly status: string;
  readonly model: string;
  readonly usage: Usage | null;
  readonly started_at: number | null;
  readonly first_token_at: number | null;
  readonly ended_at: number | null;
  readonly attempts: number;
  readonly context: {
    readonly budget_tokens: number;
    readonly used_tokens: number;
    readonly older_left_out: number;
    readonly messages: readonly ContextRow[];
  } | null;
}

export interface ConversationPage {
  readonly conversations: readonly Conversation[];
  readonly next: string | null;
}

export interface MessagePage {
  readonly messages: readonly Message[];
  /** All messages that the branch ever had. */
  readonly total: number;
  readonly next: string | null;
}

/** Where a search found something; `message_id` is null for the title. */
export interface Match {
  readonly message_id: string | null;
  readonly excerpt: string;
  /** Spans of the excerpt, counted in code points. */
  readonly highlights: readonly (readonly [number, number])[];
}

export interface FoundConversation extends Conversation {
  readonly matches: readonly Match[];
}

export interface FoundPage {
  readonly conversations: readonly FoundConversation[];
  readonly next: string | null;
}

export type ExportFormat = "markdown" | "json";

/** A file that the server made. */
export interface ExportedFile {
  readonly name: string;
  readonly content: Blob;
}

export interface ConversationChange {
  readonly title?: string;
  readonly role?: string;
  readonly model?: string;
  readonly pinned?: boolean;
}

/** What turns have used. */
export interface Spent {
  readonly turns: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  /** Those of the tokens that the server counted itself, because the model did not say. */
  readonly estimated_tokens: number;
  /** By the operator's prices; null where there is none for the model. */
  readonly cost: number | null;
}

/** What the reader's turns have used, by day in UTC and by model; days without anything are left out. */
export interface UsageReport {
  readonly from: string;
  readonly to: string;
  readonly currency: string;
  readonly days: readonly { readonly date: string; readonly models: readonly (Spent & { readonly model: string })[] }[];
  readonly total: Spent;
}

/** So many things of a kind that an import left out or changed, and one of them to recognise them by. */
export interface Skipped {
  readonly what: string;
  readonly reason: string;
  readonly count: number;
  readonly example?: string;
}

export interface ImportReport {
  readonly format: string;
  readonly imported: {
    readonly conversations: number;
    readonly messages: number;
    readonly personas: number;
    /** Conversations that were here already and have got messages; absent where none has. */
    readonly extended?: number;
  };
  readonly skipped: readonly Skipped[];
}

/** What the page needs first, in one answer. */
export interface Start {
  readonly roles: Roles;
  readonly models: Models;
  readonly settings: Settings;
  readonly conversations: ConversationPage;
}

/** What the reader says of a persona of their own; null leaves it to the server or to the model. */
export interface PersonaFields {
  readonly name: string;
  readonly icon: string;
  readonly description: string;
  readonly prompt: string;
  readonly welcome: string;
  readonly suggestions: readonly string[];
  readonly model: string | null;
  readonly temperature: number | null;
  readonly top_p: number | null;
  readonly max_tokens: number | null;
}

export interface OwnPersona extends PersonaFields {
  readonly id: string;
}

/** What the reader has chosen for good; null where nothing is. */
export interface Settings {
  readonly default_role: string | null;
  readonly default_model: string | null;
  readonly language: "zh" | "en" | null;
}
