import { Banners } from "./Banners.tsx";
import { Composer } from "./Composer.tsx";
import { isDrawerOpen } from "./drawer.ts";
import { Header } from "./Header.tsx";
import { MessageList } from "./MessageList.tsx";
import { SideList } from "./SideList.tsx";
import { StatusLine } from "./StatusLine.tsx";

export function App() {
  return (
    <div class="page">
      <SideList />
      <main class="talk" inert={isDrawerOpen.value}>
        <Header />
        <Banners />
        <MessageList />
        <Composer />
      </main>
      <StatusLine />
    </div>
  );
}
