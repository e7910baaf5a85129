import { Banners } from "../catalog/Banners.tsx";
import { Composer } from "../thread/Composer.tsx";
import { isDrawerOpen } from "../ui/drawer.ts";
import { Header } from "./Header.tsx";
import { Login } from "../login/Login.tsx";
import { MessageList } from "../thread/MessageList.tsx";
import { SideList } from "../sidebar/SideList.tsx";
import { StatusLine } from "../ui/StatusLine.tsx";

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
      <Login />
    </div>
  );
}
