import { Menu } from "./Menu.tsx";

export { Menu };

declare module "../ui/lazy.tsx" {
  interface Deferred {
    readonly Menu: typeof Menu;
  }
}
