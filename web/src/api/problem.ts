/** What the server said when it refused: RFC 9457, with our stable `code`. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** Seconds from `Retry-After`, where the server named them. */
  readonly retryAfterS: number | null;
  /** The turn that is running already, where the code is `turn_in_progress`. */
  readonly runningTurnId: string | null;
  /** The parts of the request that are wrong, where the code is `invalid_request`. */
  readonly fields: readonly string[];

  constructor(
    status: number,
    code: string,
    detail: string,
    retryAfterS: number | null,
    runningTurnId: string | null,
    fields: readonly string[] = [],
  ) {
    super(`${status} ${code}: ${detail}`);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.retryAfterS = retryAfterS;
    this.runningTurnId = runningTurnId;
    this.fields = fields;
  }
}

/** The server could not be reached at all, or its answer broke off. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super("the server could not be reached", { cause });
    this.name = "Unreachable";
  }
}

/** The problem in a refusing answer; a proxy's HTML page becomes `http_<status>`. */
export async function readProblem(response: Response): Promise<Problem> {
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const retryAfterS = Number.isFinite(seconds) ? seconds : null;
  const body: unknown = await response.json().catch(() => null);
  const fields = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const text = (name: string) => (typeof fields[name] === "string" ? fields[name] : null);
  return new Problem(
    response.status,
    text("code") ?? `http_${response.status}`,
    text("detail") ?? text("title") ?? "",
    retryAfterS,
    text("running_turn_id"),
    Array.isArray(fields.errors) ? fields.errors.map((error) => String(error?.field)) : [],
  );
}

/** Whether asking the same again later may succeed: the network, a proxy while the server restarts, a server that is full. */
export function isPassing(error: unknown): boolean {
  return error instanceof Unreachable || (error instanceof Problem && [429, 502, 503, 504].includes(error.status));
}

/** The field by which a request named a message that is not there any more; null where that is not what is wrong. */
export function missingMessage(error: unknown): string | null {
  const named = ["parent_id", "retry", "edit", "continue", "message_id"];
  return error instanceof Problem ? (error.fields.find((field) => named.includes(field)) ?? null) : null;
}
