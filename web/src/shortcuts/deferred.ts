import { press } from "./press.ts";

export { press };

declare module "../ui/lazy.tsx" {
  interface Deferred {
    readonly press: typeof press;
  }
}
