import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";

import { clearAnnouncement } from "../session/status.ts";
import { StatusLine } from "./StatusLine.tsx";

interface DialogProps {
  readonly title: string;
  /** What it asks or tells, in a sentence or two: read out when it opens, as its title is. */
  readonly text?: string;
  /** Called when the reader leaves it, by Escape as well. */
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** The browser's own modal dialog: it holds the focus and gives it back. Open as long as it is drawn. */
export function Dialog({ title, text, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const textId = useId();
  const isDrawn = useRef(true);
  useLayoutEffect(() => {
    const element = dialog.current;
    const opener = document.activeElement;
    element?.showModal();
    clearAnnouncement();
    return () => {
      // Its event comes later, when nobody asks any more.
      isDrawn.current = false;
      element?.close();
      // A dialog that is out of the page by now gives nothing back.
      queueMicrotask(() => {
        if (document.activeElement === document.body && opener instanceof HTMLElement) opener.focus();
      });
    };
  }, []);
  // A text selected with the mouse may be let go out there: that is no wish to leave.
  const isPressed = useRef(false);
  const notePress = (event: PointerEvent) => {
    isPressed.current = event.target === dialog.current;
  };
  const closeOnBackdrop = (event: MouseEvent) => {
    if (event.target === dialog.current && isPressed.current) onClose();
  };
  // By Escape, before the browser closes it by itself: it says so late, and the next key may have opened it again.
  const leave = (event: Event) => {
    // A file input in it may be left as well.
    if (event.target !== dialog.current) return;
    event.preventDefault();
    onClose();
  };
  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      aria-describedby={text === undefined ? undefined : textId}
      onCancel={leave}
      onClose={() => isDrawn.current && onClose()}
      onPointerDown={notePress}
      onClick={closeOnBackdrop}
    >
      <div class="dialog-content">
        <h2 id={titleId}>{title}</h2>
        {text !== undefined && <p id={textId}>{text}</p>}
        {children}
      </div>
      <StatusLine dialog={dialog} />
    </dialog>
  );
}
