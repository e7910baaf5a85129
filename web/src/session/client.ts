import { Api } from "../api/client.ts";
import { language } from "./language.ts";
import { isLoginAsked } from "./login.ts";

export const api = new Api(
  () => language.peek(),
  async (...request) => {
    const response = await fetch(...request);
    if (response.status === 401) isLoginAsked.value = true;
    return response;
  },
);
