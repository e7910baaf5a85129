import { useLayoutEffect, useRef } from "preact/hooks";

import { showSibling } from "./branches.ts";
import { t } from "../session/language.ts";
import type { ShownMessage } from "./messages.ts";
import { LeftIcon, RightIcon } from "../ui/dialogIcons.tsx";

/** The arrow that was pressed, until the message that it leads to is there: focus and place on the screen pass to it. */
let pressed: { readonly parentId: string | null; readonly step: number; readonly top: number } | null = null;

/** Which of the messages that stand in one place this is, and the way to the others; nothing where it is the only one. */
export function Branches({ message }: { message: ShownMessage }) {
  const buttons = useRef<HTMLDivElement>(null);
  const { siblings, parentId } = message;
  const at = siblings.indexOf(message.id ?? "");
  useLayoutEffect(() => {
    const arrow = buttons.current?.querySelectorAll("button")[pressed?.step === -1 ? 0 : 1];
    if (pressed?.parentId !== parentId || arrow === undefined) return;
    arrow.focus({ preventScroll: true });
    arrow.closest(".scroller")?.scrollBy(0, arrow.getBoundingClientRect().top - pressed.top);
    pressed = null;
  }, [message.id]);
  if (siblings.length < 2 || at < 0) return null;

  const go = (step: number) => async (event: MouseEvent & { currentTarget: HTMLElement }) => {
    if (siblings[at + step] === undefined || pressed !== null) return;
    pressed = { parentId, step, top: event.currentTarget.getBoundingClientRect().top };
    await showSibling(message, at + step);
    pressed = null;
  };
  return (
    <div class="branches" role="group" aria-label={t("branch.label")} ref={buttons}>
      <button type="button" class="icon-button" aria-label={t("branch.before")} aria-disabled={at === 0} onClick={go(-1)}>
        <LeftIcon />
      </button>
      <span>{t("branch.place", { n: at + 1, of: siblings.length })}</span>
      <button
        type="button"
        class="icon-button"
        aria-label={t("branch.next")}
        aria-disabled={at === siblings.length - 1}
        onClick={go(1)}
      >
        <RightIcon />
      </button>
    </div>
  );
}
