import { Api } from "../core/api.ts";
import { language } from "./language.ts";

export const api = new Api(() => language.peek());
