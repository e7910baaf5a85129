import type { ComponentChildren } from "preact";

import { DownIcon } from "./icons.tsx";

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  /** The options, perhaps in groups. */
  readonly children: ComponentChildren;
  readonly onChoose: (value: string) => void;
}

/** One of a few, as the browser's own list: it works with every keyboard, reader and phone there is. */
export function Choice({ label, value, children, onChoose }: ChoiceProps) {
  return (
    <span class="choice">
      <select aria-label={label} title={label} value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
        {children}
      </select>
      <DownIcon />
    </span>
  );
}
