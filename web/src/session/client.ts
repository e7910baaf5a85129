import { Api } from "../api/client.ts";
import { language } from "./language.ts";

export const api = new Api(() => language.peek());
