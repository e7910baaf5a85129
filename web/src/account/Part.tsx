import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

import type { List } from "./list.ts";

interface PartProps {
  readonly title: string;
  readonly list: List<unknown>;
  readonly children: ComponentChildren;
}

/** A part of a dialog that shows a list, under its heading. */
export function Part({ title, list: { rows, trouble, isBusy }, children }: PartProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // The row that had the focus is gone, with this drawing or behind a dialog that has closed.
    if (rows !== null && document.activeElement === document.body) heading.current?.focus();
  });
  return (
    <section class="account-part" aria-busy={rows === null || isBusy}>
      <h3 ref={heading} tabIndex={-1}>
        {title}
      </h3>
      {trouble !== "" && (
        <p class="dialog-trouble" role="alert">
          {trouble}
        </p>
      )}
      {children}
    </section>
  );
}
