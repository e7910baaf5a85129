import { isMac } from "../browser/chord.ts";
import { t } from "../session/language.ts";
import { SHORTCUTS } from "./shortcuts.ts";
import { PanelDialog } from "../ui/PanelDialog.tsx";
import "./texts.ts";

const NAMES: Readonly<Record<string, string>> = {
  Mod: isMac ? "⌘" : "Ctrl",
  Shift: isMac ? "⇧" : "Shift",
  enter: "Enter",
  escape: "Esc",
  arrowup: "↑",
};

export function ShortcutsDialog() {
  return (
    <PanelDialog title={t("more.shortcuts")}>
      <dl class="shortcuts">
        {SHORTCUTS.map(({ action, chords }) => (
          <div key={action}>
            <dt>{t(`shortcut.${action}`)}</dt>
            <dd>
              <Chord chord={chords[0] ?? ""} />
              {action === "help" && (
                <>
                  {` ${t("shortcut.or")} `}
                  <Chord chord="?" />
                </>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </PanelDialog>
  );
}

function Chord({ chord }: { chord: string }) {
  return (
    <>
      {chord.split("+").flatMap((key, index) => [
        index === 0 ? "" : " ",
        <kbd key={key}>{NAMES[key] ?? key.toUpperCase()}</kbd>,
      ])}
    </>
  );
}
